import { expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { ConfigSchema } from '../../src/config/schema.ts'

/** The directives of the unit, by name; one that is given twice has both values. */
async function directives(): Promise<Map<string, string[]>> {
  const text = await Bun.file(new URL('../../packaging/mcp-broker.service', import.meta.url)).text()
  const found = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#') || line.startsWith('[')) continue
    const [name, value] = [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]
    found.set(name, [...(found.get(name) ?? []), value])
  }
  return found
}

test('the data directory is the one that systemd makes for the service', async () => {
  const unit = await directives()
  expect(unit.get('StateDirectory')).toEqual(['mcp-broker'])
  expect(unit.get('StateDirectoryMode')).toEqual(['0700'])
  expect(unit.get('Environment')).toEqual(['MCP_BROKER_DATA_DIR=%S/mcp-broker'])
})

test('there is time to stop in order, and room for all connections', async () => {
  const unit = await directives()
  const { drain_seconds, connections_max } = Value.Create(ConfigSchema)
  // Calls are waited for 1 s, storing 3 s.
  expect(Number(unit.get('TimeoutStopSec')![0])).toBeGreaterThan(drain_seconds + 4)
  expect(unit.get('KillSignal')).toEqual(['SIGTERM'])
  expect(Number(unit.get('LimitNOFILE')![0])).toBeGreaterThan(2 * connections_max)
})

test('what the runtime needs is left to it', async () => {
  const unit = await directives()
  // It makes machine code, and reads the boot id, which is in /proc/sys.
  expect(unit.has('MemoryDenyWriteExecute')).toBe(false)
  expect(unit.has('ProcSubset')).toBe(false)
})

import { expect, test } from 'bun:test'
import { startBroker } from '../harness.ts'
import expected from './expected-failures.json'
import { RUNS, runSuite } from './suite.ts'

/** Scenarios that need nothing but a server: none of these may be missing from a run of its revision. */
const GENERIC: Readonly<Record<string, readonly string[]>> = {
  'conformance-2025': ['server-initialize', 'ping', 'tools-list', 'resources-list', 'prompts-list'],
  'conformance-2026 for 2025-11-25': [
    'server-initialize',
    'server-session-lifecycle',
    'server-sse-multiple-streams',
    'server-sse-polling',
    'dns-rebinding-protection',
  ],
  'conformance-2026 for 2026-07-28': [
    'server-stateless',
    'caching',
    'http-header-validation',
    'sep-2164-resource-not-found',
    'dns-rebinding-protection',
  ],
}

for (const [name, command] of Object.entries(RUNS))
  test(`${name}: what fails is what is expected to, and what is expected to still fails`, async () => {
    await using app = await startBroker()
    const { scenarios, failures } = await runSuite(command, `${app.url}/mcp`)
    expect(scenarios).toEqual(expect.arrayContaining([...GENERIC[name]!]))
    const listed = expected.flatMap((group) => (group.failures as Record<string, string[]>)[name] ?? [])
    expect(failures).toEqual(listed.sort())
  }, 60_000)

test('every expected failure has a reason', () => {
  for (const { reason } of expected) expect(reason.length).toBeGreaterThan(20)
})

import { expect, test } from 'bun:test'
import { join } from 'node:path'

const RUN = join(import.meta.dir, '../../load/run.ts')

async function load(...args: string[]): Promise<{ code: number; said: string }> {
  const run = Bun.spawn([process.execPath, RUN, ...args], { stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([run.stdout.text(), run.stderr.text()])
  return { code: await run.exited, said: out + err }
}

test('what there is not is said, with the names there are, and nothing runs', async () => {
  const { code, said } = await load('direct', 'dirct')
  expect(code).toBe(2)
  expect(said).toContain('There is no scenario dirct. Scenarios: direct, direct-frames')
})

test('an option that there is not, and one that makes no sense, are said', async () => {
  const unknown = await load('--fast')
  expect(unknown.code).toBe(2)
  expect(unknown.said).toContain("'--fast'")
  const senseless = await load('--soak-minutes', 'ten')
  expect(senseless.code).toBe(2)
  expect(senseless.said).toContain('--soak-minutes takes 2 to 600 minutes, not "ten".')
  const nowhere = await load('--soak-keeping', 'paper')
  expect([nowhere.code, nowhere.said]).toEqual([
    2,
    expect.stringContaining('takes memory, normal, full, redis, not "paper".'),
  ])
})

test('--list names every scenario and says what it does', async () => {
  const { code, said } = await load('--list')
  expect(code).toBe(0)
  for (const name of ['direct', 'broadcast', 'mcp', 'storm', 'idle', 'soak'])
    expect(said).toMatch(new RegExp(`^${name} +\\w`, 'm'))
})

test('the micro benchmark says which engines there are', async () => {
  const run = join(import.meta.dir, '../../load/micro/run.ts')
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, run, '--engine', 'memory,paper'])
  expect(exitCode).toBe(2)
  expect(stderr.toString()).toStartWith('There is no engine paper. --engine takes memory, staged, journal,')
})

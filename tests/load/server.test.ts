import { expect, test } from 'bun:test'
import { Server } from '../../load/server.ts'

/** Each request takes it at least 50 ms of CPU. */
const listening = (body: string) => (port: number) => [
  process.execPath,
  '-e',
  `Bun.serve({ port: ${port}, hostname: '127.0.0.1', fetch: () => {
    for (const end = process.cpuUsage().user + 50_000; process.cpuUsage().user < end; ) {}
    return new Response()
  } }); ${body}`,
]

test('a server is measured from outside, while it runs', async () => {
  await using server = await Server.start(listening(''))
  expect(server.memoryBytes()).toBeGreaterThan(1e6)
  const before = server.cpuMicroseconds()
  await fetch(server.url)
  expect(server.cpuMicroseconds() - before).toBeWithin(30_000, 5_000_000)
})

test('one that has ended of its own accord is not measured, and how it ended is said', async () => {
  await using server = await Server.start(listening('setTimeout(() => process.exit(7), 200)'))
  const deadline = performance.now() + 5000
  const measure = () => {
    try {
      server.memoryBytes()
    } catch (error) {
      return (error as Error).message
    }
  }
  while (!measure()?.endsWith('with 7') && performance.now() < deadline) await Bun.sleep(10)
  expect(measure()).toBe('the server ended during the measurement, with 7')
})

test('one that does not start is named', async () => {
  const start = Server.start(() => [process.execPath, '-e', 'process.exit(3)'])
  await expect(start).rejects.toThrow('-e process.exit(3) did not start')
})

import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { diskFolder } from '../../load/folder.ts'
import { isAvailable, KEEPINGS, keepingFlags, NOT_AVAILABLE, startKeeping } from '../../load/keeping.ts'
import { receiptBroker } from '../../load/peers/receipts.ts'
import { measureReceipts } from '../../load/receipts.ts'
import { faults, isMet } from '../../load/scenario.ts'
import { type Late, latencyRows, p99Budgets } from '../../load/scenarios/durable-latency.ts'
import { receiptRow } from '../../load/scenarios/receipts.ts'
import { fill, started } from '../../load/scenarios/start.ts'
import { Server } from '../../load/server.ts'
import { watchStart } from '../../load/starting.ts'
import { syncLatency } from '../../load/sync-probe.ts'
import { loadConfig } from '../../src/config/load.ts'

// Starts and stops brokers.
setDefaultTimeout(20_000)

const AVAILABLE = KEEPINGS.filter(isAvailable)

test.each(AVAILABLE)(
  'with %s each message is delivered, has its receipt and is acknowledged',
  async (keeping) => {
    const pairs = { pairs: 3, rate: 600, batch: 10, warm_seconds: 0.2, seconds: 0.5 }
    const measured = await measureReceipts(receiptBroker(keeping), pairs)
    expect(measured).toMatchObject({ lost: 0, twice: 0 })
    expect(measured!.rate).toBeGreaterThan(100)
    expect(measured!.receipt_latency.p99).toBeGreaterThan(0)
    expect(receiptRow(keeping, measured, () => []).note).toStartWith('receipts p50 ')
  },
)

test('what is on disk is held to memory, and to a sync alone', () => {
  const p99 = (p99: number) => ({ p50: 0, p95: 0, p99, max: p99 })
  expect(p99Budgets('memory', p99(9), p99(1), p99(2))).toEqual([])
  expect(p99Budgets('normal', p99(4), p99(1), p99(2))).toMatchObject([{ limit: 4, value: 4 }])
  expect(p99Budgets('full', p99(9.5), p99(1), p99(2))).toMatchObject([{ limit: 9, value: 9.5 }])
  for (const keeping of ['normal', 'full'] as const)
    expect(p99Budgets(keeping, undefined, p99(1), p99(2)).every(isMet)).toBe(false)
})

test('of several rounds the one with the median p99 stands for all, but what was lost counts from each', () => {
  const late = (ms: number): Late => {
    const latency = { p50: 0, p95: 0, p99: ms, max: ms }
    return { latency, receipt_latency: { ...latency, p99: 10 - ms }, cpu_us: ms, lost: 1, twice: 0 }
  }
  const rows = latencyRows(
    new Map([
      ['memory', [late(3), late(1), late(2)]],
      ['fdatasync alone', [late(5)]],
    ]),
  )
  expect(rows[0]).toMatchObject({ what: 'memory, delivery', cpu_us: 2, lost: 3, latency: { p99: 2 } })
  expect(rows[1]).toMatchObject({ what: 'memory, receipt', lost: 0, latency: { p99: 8 } })
  expect(rows.at(-1)).toMatchObject({ what: 'fdatasync alone', reference: true, latency: { p99: 5 } })
  expect(latencyRows(new Map([['memory', []]]))[0]!.lost).toBeNaN()
})

test('what is not available is said, and is no fault; what is available and was not measured is one', () => {
  for (const keeping of KEEPINGS) {
    const row = receiptRow(keeping, undefined, () => p99Budgets('normal', undefined, undefined, undefined))
    if (isAvailable(keeping)) expect(faults(row)).not.toEqual([])
    else expect([row.note, faults(row)]).toEqual([NOT_AVAILABLE, []])
  }
  expect(keepingFlags('memory', '/there')).toEqual([])
  expect(keepingFlags('full', '/there')).toEqual(['--data-dir', '/there', '--journal-sync', 'full'])
})

test('what is available is what the settings know', async () => {
  const [, data_dir, , level] = keepingFlags('full', '/there')
  const flags = new Map([
    ['data-dir', data_dir!],
    ['journal-sync', level!],
  ])
  const known = await loadConfig({ env: {}, flags }).then(
    () => true,
    () => false,
  )
  expect(KEEPINGS.map(isAvailable)).toEqual([true, known, known])
})

test('syncs of a file on a disk are timed, and the file goes', async () => {
  const folder = diskFolder()
  const { p50, max } = await syncLatency(folder, 20)
  expect(p50).toBeGreaterThan(0)
  expect(max).toBeGreaterThanOrEqual(p50)
  expect(readdirSync(folder)).toEqual([])
  rmSync(folder, { recursive: true })
})

test('a folder of a server goes with it', async () => {
  const folder = diskFolder()
  const listen = (port: number) => [
    process.execPath,
    '-e',
    `Bun.serve({ port: ${port}, fetch: () => new Response() })`,
  ]
  {
    await using _ = await Server.start(listen, {}, folder)
    expect(existsSync(folder)).toBe(true)
  }
  expect(existsSync(folder)).toBe(false)
})

/** Takes connections after 100 ms, lives after 200 and is ready after 500. */
const slowStarter = (port: number) => [
  process.execPath,
  '-e',
  `const began = performance.now()
   const after = (ms) => new Response('', { status: performance.now() - began < ms ? 503 : 200 })
   const fetch = ({ url }) => after(url.endsWith('/health/live') ? 200 : 500)
   setTimeout(() => Bun.serve({ port: ${port}, hostname: '127.0.0.1', fetch }), 100)`,
]

test('a start is watched: when it lives, how it answers meanwhile, and when it is ready', async () => {
  await using server = await Server.spawn(slowStarter)
  const { first_live_ms, ready_ms, live, silent } = await watchStart(server, 5000)
  expect(first_live_ms).toBeWithin(200, 5000)
  expect(ready_ms).toBeWithin(500, 5000)
  expect(ready_ms).toBeGreaterThan(first_live_ms)
  expect(live.max).toBeGreaterThan(0)
  expect(silent).toBe(0)
})

test('one that ends, or is not ready in time, did not start', async () => {
  await using ending = await Server.spawn(() => [process.execPath, '-e', 'process.exit(3)'])
  await expect(watchStart(ending, 5000)).rejects.toThrow('with 3')
  await using slow = await Server.spawn(slowStarter)
  await expect(watchStart(slow, 50)).rejects.toThrow('it was not ready after 0.05 s')
})

test('a mailbox is filled, each message with its receipt', async () => {
  const run = { short: true, soak_minutes: 2, say: () => {} }
  const { lost, rate } = await fill(run, (await startKeeping('memory'))!, 1)
  expect(lost).toBe(0)
  expect(rate).toBeGreaterThan(0)
})

test('a start is held to its messages, its memory and its answers', async () => {
  await using server = (await startKeeping('memory'))!
  const row = await started(server, 7)
  expect(row.lost).toBe(7)
  expect(row.budgets.map(({ what }) => what)).toEqual([
    'ready after',
    'peak memory',
    'first sign of life',
    'answers then',
  ])
})

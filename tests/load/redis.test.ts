import { expect, setDefaultTimeout, test } from 'bun:test'
import { Instances } from '../../load/instances.ts'
import { measureMix } from '../../load/mix.ts'
import { measurePairs } from '../../load/pairs.ts'
import { redisPeer } from '../../load/peers/redis.ts'
import { cpuOf, MeasuredRedis } from '../../load/redis.ts'
import { MeasuredEngine, pingCost, TURN, type Way } from '../../load/redis-commands.ts'
import { faults, isMet, type Measured } from '../../load/scenario.ts'
import { commandRows, idleCommandsRow, idleRow, measureRounds } from '../../load/scenarios/redis-commands.ts'
import { direct, heldRate, redisNote, spreadBudgets } from '../../load/scenarios/redis-direct.ts'
import { redisMixed } from '../../load/scenarios/redis-mixed.ts'

// Starts and stops servers.
setDefaultTimeout(20_000)

const RUN = { short: true, soak_minutes: 2, say: () => undefined }
const cpu = (cpu_us: number, lost = 0): Measured => ({ cpu_us, lost, twice: 0 })
const late = (p50: number, lost = 0): Measured => ({
  latency: { p50, p95: p50, p99: p50, max: p50 },
  lost,
  twice: 0,
})

/** What a broker says of itself. */
async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
}

test('sender and reader at different instances: all arrives, and all that take part are measured', async () => {
  const peer = redisPeer({ instances: 2, apart: true })
  expect(peer.name).toBe('Redis, 2 instances, apart')
  const pairs = { pairs: 3, rate: 1200, batch: 10, warm_seconds: 0.2, seconds: 0.5 }
  const measured = await measurePairs(RUN, peer, pairs)
  expect(measured).toMatchObject({ lost: 0, twice: 0 })
  expect(measured!.cpu_us).toBeGreaterThan(0)
  expect(measured!.redis_cpu_us).toBeGreaterThan(0)
  expect(redisNote(measured)).toMatch(/^Redis [\d.]+ µs$/)
})

test('a pair is at one instance or at two, and the pairs go to all in turn', async () => {
  await using carrier = await Instances.start(2)
  const connectedTo = (url: string) => metric(url, 'mcp_broker_connections')
  const together = redisPeer({ instances: 2, apart: false })
  await together.read(carrier, 'sink-1', () => undefined, 1)
  await together.write(carrier, 'source-1', 'sink-1', 1)
  expect(await Promise.all(carrier.urls.map(connectedTo))).toEqual([0, 2])
  const apart = redisPeer({ instances: 2, apart: true })
  await apart.read(carrier, 'sink-0', () => undefined, 0)
  await apart.write(carrier, 'source-0', 'sink-0', 0)
  expect(await Promise.all(carrier.urls.map(connectedTo))).toEqual([1, 3])
})

test('the mix by all doors loses nothing over two instances', async () => {
  await using carrier = await Instances.start(2)
  const windows = { warm_seconds: 0.2, seconds: 1 }
  const measured = await measureMix(carrier, carrier.urls, 200, windows)
  expect(measured).toMatchObject({ lost: 0 })
  expect(measured.redis_cpu_us).toBeGreaterThan(0)
  // Of 240 messages, each is sent about half.
  for (const url of carrier.urls)
    expect(await metric(url, 'mcp_broker_messages_accepted_total')).toBeGreaterThan(100)
})

test('the row of the mix says what Redis took', async () => {
  const { rows } = await redisMixed.run(RUN)
  expect(rows).toMatchObject([
    { what: '1000/s, 2 instances', lost: 0, note: expect.stringMatching(/^Redis/) },
  ])
})

test('the highest rate that is held is taken: nothing is lost, and messages do not pile up', async () => {
  const tried: number[] = []
  const answers = new Map([
    [4, late(1, 3)],
    [3, late(51)],
    [2, late(50)],
  ])
  const measure = async (rate: number) => {
    tried.push(rate)
    return answers.get(rate)
  }
  expect(await heldRate([4, 3, 2, 1], measure)).toBe(2)
  expect(tried).toEqual([4, 3, 2])
  expect(await heldRate([4, 3, 1], measure)).toBe(1)
})

test('what Redis costs is what is beyond memory, and more instances cost no more', () => {
  const measured = new Map([
    ['memory', cpu(10)],
    ['Redis, 1 instance', cpu(40)],
    ['Redis, 3 instances', cpu(44.1)],
    ['Redis, 2 instances, apart', cpu(50)],
    ['Redis, 3 instances, apart', cpu(55)],
  ])
  const judged = (instances: number, apart: boolean) =>
    spreadBudgets({ instances, apart }, measured).map((budget) => [budget.value, budget.limit, isMet(budget)])
  expect(judged(1, false)).toEqual([[30, 30, true]])
  expect(judged(3, false)).toEqual([
    [44.1 - 10, 30, false],
    [44.1 / 40, 1.1, false],
  ])
  expect(judged(2, true)).toEqual([[40, 40, true]])
  expect(judged(3, true)).toMatchObject([
    [45, 40, false],
    [1.1, 1.1, true],
  ])
  // Two together were not measured.
  expect(judged(2, false)).toMatchObject([[Number.NaN, 30, false]])
})

test('commands are carried out and measured: alone, many in a call, and the position check', async () => {
  await using redis = await MeasuredRedis.start()
  using engine = await MeasuredEngine.open(redis)
  const single = await engine.way(TURN, 1)
  const together = await engine.way(TURN, TURN)
  expect([single.lost, together.lost]).toEqual([0, 0])
  for (const step of ['append', 'read', 'ack'] as const)
    expect(together[step].redis_us).toBeLessThan(single[step].redis_us)
  expect((await engine.look(2)).redis_us).toBeGreaterThan(0)
  expect((await pingCost(redis, 4)).client_us).toBeGreaterThan(0)
})

test('each round after the warm-up is kept', async () => {
  const rounds = await measureRounds(RUN, { depth: TURN, rounds: 1, warm_rounds: 1 })
  expect(Object.values(rounds).map(({ length }) => length)).toEqual([1, 1, 1, 1])
})

test('an idle instance says now and then that it is there, and asks what is due', async () => {
  const { note, budgets } = await idleRow(RUN, 1)
  expect(note).toContain('EVALSHA')
  expect(budgets.map(isMet)).toEqual([true])
})

test('in the short form Redis is held to so many times what memory takes', async () => {
  const spreads = [{ instances: 1, apart: false }]
  const windows = { warm_seconds: 0.1, seconds: 0.2 }
  const { rows } = await direct(RUN, spreads, 1000, windows)
  expect(rows.map(({ what }) => what)).toEqual(['memory', 'Redis, 1 instance'])
  expect(rows.map(({ lost }) => lost)).toEqual([0, 0])
  expect(rows[1]).toMatchObject({ budgets: [{ what: 'CPU to memory', unit: '×' }] })
})

test('many in a call are held to one in a call, an append to a PING, and what is lost counts from all', () => {
  const way = (us: number, lost = 0): Way => {
    const cost = { client_us: us, redis_us: us }
    return { append: cost, read: cost, ack: cost, lost }
  }
  const rounds = {
    single: [way(20), way(1), way(900)],
    together: [way(8, 2), way(8, 1), way(8)],
    ping: [{ client_us: 3, redis_us: 1 }],
    look: [{ client_us: 6.1, redis_us: 2 }],
  }
  const rows = commandRows(rounds, false)
  const budgetsOf = (what: string) =>
    rows.find((row) => row.what === what)!.budgets.map(({ value, limit }) => [value, limit])
  expect(budgetsOf('append, 64 in a call')).toEqual([
    [0.4, 0.5],
    [8 / 3, 2.5],
  ])
  expect(budgetsOf('read, 64 in a call')).toEqual([[0.4, 0.35]])
  expect(rows.find(({ what }) => what === 'ack, 64 in a call')).toMatchObject({ lost: 3, cpu_us: 8 })
  expect(rows.find(({ what }) => what === 'position check')!.budgets.map(isMet)).toEqual([false, true])
  expect(commandRows(rounds, true).map(({ what }) => what)).not.toContain('position check')
})

test('the commands of an idle instance are those that it sends, not those of its scripts', async () => {
  await using redis = await MeasuredRedis.start()
  using engine = await MeasuredEngine.open(redis)
  const counts = await redis.commandsDuring(async () => void (await engine.way(TURN, TURN)))
  expect(counts.get('EVALSHA')).toBe(3 * TURN)
  // A script that reads runs it.
  expect(counts.has('HMGET')).toBe(false)
  const idle = idleCommandsRow(
    new Map([
      ['PING', 9],
      ['EVALSHA', 40],
    ]),
    4,
  )
  expect([idle.note, faults(idle)]).toEqual(['EVALSHA 10.0, PING 2.25', []])
  expect(faults(idleCommandsRow(new Map([['PING', 202]]), 4))).toEqual(['missed: commands 50.5 ≤ 50.0 /s'])
})

test('the CPU of Redis is of the process, in the kernel and out of it', () => {
  expect(cpuOf('# CPU\r\nused_cpu_sys:0.25\r\nused_cpu_user:1.5\r\nused_cpu_sys_children:9\r\n')).toBe(
    1_750_000,
  )
  expect(cpuOf('')).toBeNaN()
})

test('a server that has ended is an error, and nothing stays behind', async () => {
  const redis = await MeasuredRedis.start()
  await redis[Symbol.asyncDispose]()
  expect(redis.cpuMicroseconds()).rejects.toThrow()
})

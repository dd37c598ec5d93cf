import { Instances } from '../instances.ts'
import { MeasuredRedis } from '../redis.ts'
import { type Cost, MeasuredEngine, pingCost, TURN, type Way } from '../redis-commands.ts'
import { type Budget, figure, type Row, type Run, type Scenario } from '../scenario.ts'

/** How much is measured. */
export interface Extent {
  /** Messages of each of 64 mailboxes, in each round and way. */
  readonly depth: number
  readonly rounds: number
  /** Rounds before, which are not looked at. */
  readonly warm_rounds: number
}

/** History is full after two rounds, and then each acknowledgement overwrites. */
const EXTENT: Extent = { depth: 256, rounds: 5, warm_rounds: 6 }
const SHORT_EXTENT: Extent = { depth: 64, rounds: 2, warm_rounds: 2 }
const PING_TURNS = 256
const LOOKS = 40

const IDLE_SETTLE_MS = 1000
const IDLE_SECONDS = 20

const STEPS = ['append', 'read', 'ack'] as const
/** CPU of Redis for each message, 64 in a call, to that of one in a call. */
const REDIS_TIMES_MAX = { append: 0.5, read: 0.35, ack: 0.35 }
/** CPU of the client for an append, 64 in a call, to that of a PING. */
const CLIENT_TO_PING_MAX = 2.5
/** Of the check whether something was lost, for each live mailbox and second. */
const LOOK_CLIENT_US_MAX = 6
const LOOK_REDIS_US_MAX = 2
const IDLE_COMMANDS_MAX = 50

/** What was measured in each round. */
export interface Rounds {
  readonly single: readonly Way[]
  readonly together: readonly Way[]
  readonly ping: readonly Cost[]
  readonly look: readonly Cost[]
}

export const redisCommands: Scenario = {
  name: 'redis-commands',
  summary:
    'what an append, a read and an acknowledgement cost the client and Redis, alone and 64 in a call; the position check; an idle instance',
  in_short: true,
  async run(run) {
    const measured = await measureRounds(run, run.short ? SHORT_EXTENT : EXTENT)
    const rows = commandRows(measured, run.short)
    return { rows: run.short ? rows : [...rows, await idleRow(run, IDLE_SECONDS)] }
  },
}

export async function measureRounds(
  run: Run,
  { depth, rounds: count, warm_rounds: warm }: Extent,
): Promise<Rounds> {
  await using redis = await MeasuredRedis.start()
  using engine = await MeasuredEngine.open(redis)
  const single: Way[] = []
  const together: Way[] = []
  const ping: Cost[] = []
  const look: Cost[] = []
  for (let round = 1 - warm; round <= count; round++) {
    run.say(round < 1 ? 'warming up' : `round ${round} of ${count}`)
    const measured = {
      single: await engine.way(depth, 1),
      together: await engine.way(depth, TURN),
      ping: await pingCost(redis, PING_TURNS),
      look: await engine.look(LOOKS),
    }
    if (round < 1) continue
    single.push(measured.single)
    together.push(measured.together)
    ping.push(measured.ping)
    look.push(measured.look)
  }
  return { single, together, ping, look }
}

/** The rows of what was measured: medians of all rounds. @param short without what is no ratio */
export function commandRows({ single, together, ping, look }: Rounds, short: boolean): Row[] {
  const pinged = medianCost(ping)
  const rows = STEPS.flatMap((step) => {
    const alone = medianCost(single.map((way) => way[step]))
    const many = medianCost(together.map((way) => way[step]))
    const budgets = [times('Redis CPU to 1 in a call', many.redis_us / alone.redis_us, REDIS_TIMES_MAX[step])]
    if (step === 'append')
      budgets.push(times('client CPU to PING', many.client_us / pinged.client_us, CLIENT_TO_PING_MAX))
    return [
      row(`${step}, 1 in a call`, alone, lost(single)),
      row(`${step}, ${TURN} in a call`, many, lost(together), budgets),
    ]
  })
  const looked = medianCost(look)
  return [
    ...rows,
    { ...row(`PING, ${TURN} in a turn`, pinged, 0), reference: true },
    ...(short ? [] : [row('position check', looked, 0, lookBudgets(looked))]),
  ]
}

function lookBudgets({ client_us, redis_us }: Cost): Budget[] {
  const bound = { bound: 'at most', unit: 'µs' } as const
  return [
    { ...bound, what: 'instance CPU', limit: LOOK_CLIENT_US_MAX, value: client_us },
    { ...bound, what: 'Redis CPU', limit: LOOK_REDIS_US_MAX, value: redis_us },
  ]
}

function times(what: string, value: number, limit: number): Budget {
  return { what, bound: 'at most', limit, value, unit: '×' }
}

/** What is lost counts from all rounds. */
function lost(ways: readonly Way[]): number {
  return ways.reduce((sum, way) => sum + way.lost, 0)
}

function row(
  what: string,
  { client_us, redis_us }: Cost,
  lost: number,
  budgets: readonly Budget[] = [],
): Row {
  return {
    what,
    cpu_us: client_us,
    redis_cpu_us: redis_us,
    lost,
    twice: 0,
    budgets,
    note: `Redis ${figure(redis_us)} µs`,
  }
}

function medianCost(costs: readonly Cost[]): Cost {
  return {
    client_us: median(costs.map(({ client_us }) => client_us)),
    redis_us: median(costs.map(({ redis_us }) => redis_us)),
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN
}

/** The commands that an instance sends to which nobody is connected. */
export async function idleRow(run: Run, seconds: number): Promise<Row> {
  await using instance = await Instances.start(1)
  run.say(`an idle instance for ${seconds} s`)
  await Bun.sleep(IDLE_SETTLE_MS)
  const counts = await instance.redis.commandsDuring(() => Bun.sleep(seconds * 1000))
  return idleCommandsRow(counts, seconds)
}

/** @param counts commands by name */
export function idleCommandsRow(counts: ReadonlyMap<string, number>, seconds: number): Row {
  const sent = [...counts].toSorted(([, a], [, b]) => b - a)
  const value = sent.reduce((sum, [, count]) => sum + count, 0) / seconds
  return {
    what: 'idle instance',
    lost: 0,
    twice: 0,
    budgets: [{ what: 'commands', bound: 'at most', limit: IDLE_COMMANDS_MAX, value, unit: '/s' }],
    note: sent.map(([name, count]) => `${name} ${figure(count / seconds)}`).join(', '),
  }
}

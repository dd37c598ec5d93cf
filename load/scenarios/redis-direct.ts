import { type Contender, compare, measurePairs, type Windows, windows } from '../pairs.ts'
import { BROKER } from '../peers/broker.ts'
import type { Peer } from '../peers/peer.ts'
import { redisPeer, type Spread } from '../peers/redis.ts'
import {
  type Budget,
  figure,
  type Measured,
  type Outcome,
  type Row,
  type Run,
  ratio,
  type Scenario,
} from '../scenario.ts'
import type { Carrier } from '../window.ts'

const PAIRS = { pairs: 50, batch: 10 }
/** The rates that are tried, the highest first: all is measured at the first that this machine holds. */
const RATES = [20_000, 15_000, 10_000, 7_500, 5_000, 2_500]
/** At a fifth of the rate of `direct`, spread over three brokers, compilers take longer. */
const WARM_SECONDS = 15
const TRIAL: Windows = { warm_seconds: 5, seconds: 3 }
/** Where half of the messages are later than this, they pile up: the machine does not hold the rate. */
const HELD_P50_MS_MAX = 50
/** Low enough for a machine that does something else besides. */
const SHORT_RATE = 5_000
const SHORT: Windows = { warm_seconds: 1.5, seconds: 2 }

const ONE: Spread = { instances: 1, apart: false }
const SPREADS: readonly Spread[] = [
  ONE,
  { instances: 2, apart: false },
  { instances: 3, apart: false },
  { instances: 2, apart: true },
  { instances: 3, apart: true },
]
const SHORT_SPREADS: readonly Spread[] = [{ instances: 2, apart: true }]
/** The dearest. */
const TRIED: Spread = { instances: 3, apart: true }

const MEMORY = 'memory'
/** CPU of all brokers together for each message, beyond that of one in memory, in microseconds. */
const OVER_MEMORY_US = { together: 30, apart: 40 }
/** More instances cost no more for each message; so much is noise. */
const GROWTH_MAX = 1.1
/** In the short form, which measures few messages of brokers that have hardly begun. */
const SHORT_TIMES_MAX = 6

export const redisDirect: Scenario = {
  name: 'redis-direct',
  summary:
    '50 pairs, 20,000 messages/s in frames of 10: in memory, and on Redis over 1, 2 and 3 instances, sender and reader on the same or apart',
  in_short: true,
  async run(run) {
    if (run.short) return direct(run, SHORT_SPREADS, SHORT_RATE, SHORT)
    const rate = await heldRate(RATES, (tried) => {
      run.say(`trying ${tried}/s`)
      return measurePairs(run, redisPeer(TRIED), { ...PAIRS, ...TRIAL, rate: tried })
    })
    return direct(run, SPREADS, rate, { ...windows(run), warm_seconds: WARM_SECONDS })
  },
}

/** Measures a broker in memory and brokers on Redis in turn. @param rate messages per second */
export async function direct(
  run: Run,
  spreads: readonly Spread[],
  rate: number,
  window: Windows,
): Promise<Outcome> {
  const measure = <C extends Carrier>(peer: Peer<C>) => measurePairs(run, peer, { ...PAIRS, ...window, rate })
  const contenders: Contender[] = [
    { name: MEMORY, measure: () => measure(BROKER) },
    ...spreads.map(redisPeer).map((peer) => ({ name: peer.name, measure: () => measure(peer) })),
  ]
  const measured = await compare(run, contenders, run.short ? 1 : undefined)
  const memory = measured.get(MEMORY)
  const slower =
    run.short || rate === RATES[0] ? undefined : `this machine holds ${rate}/s, not ${RATES[0]}/s`
  const rows = spreads.map((spread) => {
    const { name } = redisPeer(spread)
    const own = measured.get(name)
    const budgets = run.short
      ? ratio('CPU to memory', own, memory, 'at most', SHORT_TIMES_MAX)
      : spreadBudgets(spread, measured)
    return row(name, own, budgets)
  })
  return { rows: [{ ...row(MEMORY, memory, []), note: slower }, ...rows] }
}

/**
 * The highest of some rates that is held.
 *
 * @param rates messages per second, the highest first; the last one is not tried
 */
export async function heldRate(
  rates: readonly number[],
  measure: (rate: number) => Promise<Measured | undefined>,
): Promise<number> {
  for (const rate of rates.slice(0, -1)) {
    const tried = await measure(rate)
    if (tried && tried.lost === 0 && tried.latency!.p50 <= HELD_P50_MS_MAX) return rate
  }
  return rates.at(-1)!
}

/** @param measured by the names of the peers, and `memory` */
export function spreadBudgets(
  { instances, apart }: Spread,
  measured: ReadonlyMap<string, Measured | undefined>,
): Budget[] {
  const own = measured.get(redisPeer({ instances, apart }).name)
  const memory = measured.get(MEMORY)
  const over: Budget = {
    what: "CPU over memory's",
    bound: 'at most',
    limit: apart ? OVER_MEMORY_US.apart : OVER_MEMORY_US.together,
    value: (own?.cpu_us ?? Number.NaN) - (memory?.cpu_us ?? Number.NaN),
    unit: 'µs',
  }
  // A pair apart takes two instances at least.
  const least = apart ? 2 : 1
  if (instances < 3) return [over]
  const fewer = measured.get(redisPeer({ instances: least, apart }).name)
  const words = least === 1 ? 'CPU to 1 instance' : 'CPU to 2 instances'
  return [over, ...ratio(words, own, fewer, 'at most', GROWTH_MAX)]
}

function row(what: string, measured: Measured | undefined, budgets: readonly Budget[]): Row {
  return { what, lost: Number.NaN, twice: 0, ...measured, budgets, note: redisNote(measured) }
}

/** What Redis did for each message, in words. */
export function redisNote(measured: Measured | undefined): string | undefined {
  const { redis_cpu_us } = measured ?? {}
  return redis_cpu_us === undefined ? undefined : `Redis ${figure(redis_cpu_us)} µs`
}

import { Ledger, openLoop, payloadJson } from './open-loop.ts'
import type { Peer } from './peers/peer.ts'
import type { Measured, Row, Run } from './scenario.ts'
import { type Carrier, Window } from './window.ts'

/** Pairs of a sender and a reader. */
export interface Pairs {
  readonly pairs: number
  /** Messages per second, all pairs together. */
  readonly rate: number
  /** Messages in a frame. */
  readonly batch: number
}

/** Time for every compiler to have done its work, before anything is counted. */
const WARM_SECONDS = 4
const SECONDS = 6
const SHORT_WARM_SECONDS = 2
const SHORT_SECONDS = 3

/** How long a measurement warms up, and how long it then measures. */
export interface Windows {
  readonly warm_seconds: number
  readonly seconds: number
}

export function windows({ short }: Run): Windows {
  return short
    ? { warm_seconds: SHORT_WARM_SECONDS, seconds: SHORT_SECONDS }
    : { warm_seconds: WARM_SECONDS, seconds: SECONDS }
}

/**
 * Measures one peer once: each sender's frames fall due at an even pace, spread over all senders.
 *
 * @param options without windows, those of `windows`
 */
export async function measurePairs<C extends Carrier>(
  run: Run,
  peer: Peer<C>,
  options: Pairs & Partial<Windows>,
): Promise<Measured | undefined> {
  await using carrier = await peer.start()
  if (!carrier) return undefined
  const { payload = payloadJson } = peer
  const { pairs, rate, batch, warm_seconds, seconds } = { ...windows(run), ...options }
  const interval_ms = (batch * 1000) / rate
  const warm_frames = Math.round((warm_seconds * 1000) / interval_ms)
  const total = warm_frames + Math.round((seconds * 1000) / interval_ms)
  const ledger = new Ledger(total * batch)
  const senders = await Promise.all(
    Array.from({ length: pairs }, async (_, pair) => {
      await peer.read(carrier, `sink-${pair}`, ledger.arrive, pair)
      return peer.write(carrier, `source-${pair}`, `sink-${pair}`, pair)
    }),
  )
  const window = new Window(carrier, ledger)
  await openLoop({ interval_ms, total }, (frame, intended_ms) => {
    if (frame === warm_frames) window.begin()
    senders[frame % pairs]!(Array.from({ length: batch }, (_, i) => payload(frame * batch + i, intended_ms)))
  })
  await ledger.settle()
  const { lost, twice } = ledger
  const redis = await window.redisCpu()
  return { ...window.end(), ...redis, latency: ledger.latency(warm_frames * batch), lost, twice }
}

/** What is measured under a name. */
export interface Contender<M extends Measured = Measured> {
  readonly name: string
  /** @returns undefined where it is not installed */
  measure(): Promise<M | undefined>
}

/**
 * Measures all in turn, several times over, so that a noisy moment of the machine does not fall on one alone. Of each
 * the median by CPU stands for it (the least of two in the short form); what was lost counts from all.
 *
 * @param rounds three if not told otherwise (the short form: two)
 */
export async function compare<M extends Measured>(
  run: Run,
  contenders: readonly Contender<M>[],
  rounds?: number,
): Promise<Map<string, M | undefined>> {
  const measured = await inTurns(run, contenders, rounds)
  return new Map([...measured].map(([name, all]) => [name, typical(all, run.short)]))
}

/**
 * Measures all in turn, several times over.
 *
 * @param rounds three if not told otherwise (the short form: two)
 * @returns what each round gave, by name
 */
export async function inTurns<M extends Measured>(
  run: Run,
  contenders: readonly Contender<M>[],
  rounds = run.short ? 2 : 3,
): Promise<Map<string, M[]>> {
  const measured = new Map<string, M[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++)
    for (const { name, measure } of contenders) {
      const now = `${name}, round ${round} of ${rounds}`
      run.say(now)
      const one = await measure()
      if (one) measured.get(name)!.push(one)
      run.say(`${now}: ${one ? inShort(one) : 'there is none'}`)
    }
  return measured
}

function inShort({ cpu_us, latency }: Measured): string {
  return cpu_us === undefined ? `p99 ${latency?.p99.toFixed(2)} ms` : `${cpu_us.toFixed(2)} µs`
}

/**
 * The one that stands for several. One that delivered nothing has no CPU figure, and counts as the dearest.
 *
 * @param least take the one of least CPU, not the median
 */
export function typical<M extends Measured>(all: readonly M[], least: boolean): M | undefined {
  const cpu = ({ cpu_us = Number.NaN }: Measured) =>
    Number.isNaN(cpu_us) ? Number.POSITIVE_INFINITY : cpu_us
  const sorted = all.toSorted((a, b) => (cpu(a) === cpu(b) ? 0 : cpu(a) - cpu(b)))
  const one = sorted[least ? 0 : (sorted.length - 1) >> 1]
  return (
    one && {
      ...one,
      cpu_us_rounds: all.map(({ cpu_us = Number.NaN }) => cpu_us),
      lost: all.reduce((sum, { lost }) => sum + lost, 0),
      twice: all.reduce((sum, { twice }) => sum + twice, 0),
    }
  )
}

/** The rows of what was measured for comparison only. */
export function referenceRows(measured: ReadonlyMap<string, Measured | undefined>): Row[] {
  return [...measured].map(([what, one]) => ({
    what,
    reference: true,
    budgets: [],
    lost: 0,
    twice: 0,
    ...one,
    note: one ? undefined : 'not installed',
  }))
}

import { diskFolder } from '../folder.ts'
import { isAvailable, KEEPINGS, type Keeping, NOT_AVAILABLE } from '../keeping.ts'
import { type Contender, inTurns } from '../pairs.ts'
import { receiptBroker } from '../peers/receipts.ts'
import { measureReceipts } from '../receipts.ts'
import type { Budget, Measured, Row, Scenario } from '../scenario.ts'
import type { Latency } from '../stats.ts'
import { syncLatency } from '../sync-probe.ts'

const PAIRS = { pairs: 50, rate: 1000, batch: 1 }
/** At so low a rate compilers take long, and they hold up what they compile. */
const WARM_SECONDS = 20
const SECONDS = 10
const SHORT_SECONDS = 3
/** Ten of them lie beyond the p99. */
const SYNCS = 1000
const PROBE = 'fdatasync alone'
/** What writing may add to the p99 of a broker that keeps all in memory, in milliseconds. */
const NORMAL_MS_MAX = 3
/** What syncing may add, in p99s of a sync alone. */
const FULL_SYNCS_MAX = 4

/** What one round gave: of a broker, or of the disk alone. */
export interface Late extends Measured {
  /** Of the delivery, or of the sync. */
  readonly latency: Latency
  readonly receipt_latency?: Latency
}

export const durableLatency: Scenario = {
  name: 'durable-latency',
  summary:
    '50 pairs, 1,000 messages/s, a frame each: how late receipts and messages come from memory and from disk, beside a sync alone',
  in_short: false,
  async run(run) {
    const seconds = run.short ? SHORT_SECONDS : SECONDS
    const pairs = { ...PAIRS, warm_seconds: WARM_SECONDS, seconds }
    const folder = diskFolder()
    const contenders: Contender<Late>[] = [
      ...KEEPINGS.map((keeping) => ({
        name: keeping,
        measure: () => measureReceipts(receiptBroker(keeping), pairs),
      })),
      {
        name: PROBE,
        measure: async () => ({ latency: await syncLatency(folder, SYNCS), lost: 0, twice: 0 }),
      },
    ]
    return { rows: latencyRows(await inTurns(run, contenders)) }
  },
}

/** @param measured all rounds, by name */
export function latencyRows(measured: ReadonlyMap<string, readonly Late[]>): Row[] {
  const sync = middle(measured.get(PROBE), ofDelivery)
  const memory = measured.get('memory')
  return [
    ...KEEPINGS.flatMap((keeping): Row[] => {
      if (!isAvailable(keeping))
        return [{ what: keeping, lost: 0, twice: 0, budgets: [], note: NOT_AVAILABLE }]
      const own = measured.get(keeping) ?? []
      const budgets = (of: Of) => p99Budgets(keeping, middle(own, of), middle(memory, of), sync)
      return [
        { what: `${keeping}, delivery`, ...together(own), budgets: budgets(ofDelivery) },
        {
          what: `${keeping}, receipt`,
          latency: middle(own, ofReceipt),
          lost: 0,
          twice: 0,
          budgets: budgets(ofReceipt),
        },
      ]
    }),
    { what: PROBE, reference: true, latency: sync, lost: 0, twice: 0, budgets: [] },
  ]
}

type Of = (late: Late) => Latency | undefined
const ofDelivery: Of = ({ latency }) => latency
const ofReceipt: Of = ({ receipt_latency }) => receipt_latency

/** The latency of the round whose p99 is the median; undefined of no rounds. */
function middle(rounds: readonly Late[] = [], of: Of): Latency | undefined {
  const sorted = rounds.flatMap((late) => of(late) ?? []).toSorted((a, b) => a.p99 - b.p99)
  return sorted[(sorted.length - 1) >> 1]
}

/** The round whose latency is the middle one, with what was lost in all. Without a round nobody knows. */
function together(rounds: readonly Late[]): Measured {
  const sum = (of: (late: Late) => number) => rounds.reduce((all, late) => all + of(late), 0)
  const latency = middle(rounds, ofDelivery)
  const round = rounds.find((late) => late.latency === latency)
  if (!round) return { lost: Number.NaN, twice: 0 }
  return { ...round, lost: sum(({ lost }) => lost), twice: sum(({ twice }) => twice) }
}

/** What the p99 of one that keeps messages so is held to. */
export function p99Budgets(
  keeping: Keeping,
  own: Latency | undefined,
  memory: Latency | undefined,
  sync: Latency | undefined,
): Budget[] {
  if (keeping === 'memory') return []
  const beyond = keeping === 'normal' ? NORMAL_MS_MAX : FULL_SYNCS_MAX * (sync?.p99 ?? Number.NaN)
  const limit = (memory?.p99 ?? Number.NaN) + beyond
  const what = keeping === 'normal' ? 'p99, memory + 3 ms' : 'p99, memory + 4 syncs'
  return [{ what, bound: 'at most', limit, value: own?.p99 ?? Number.NaN, unit: 'ms' }]
}

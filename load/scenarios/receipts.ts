import { isAvailable, type Keeping, NOT_AVAILABLE } from '../keeping.ts'
import { compare, referenceRows, windows } from '../pairs.ts'
import { JETSTREAM, JETSTREAM_STREAMS } from '../peers/jetstream.ts'
import { receiptBroker } from '../peers/receipts.ts'
import { measureReceipts, type Receipted, type ReceiptPeer } from '../receipts.ts'
import { type Budget, type Row, ratio, type Scenario } from '../scenario.ts'

/** What JetStream keeps up with on a small machine. */
const PAIRS = { pairs: 50, rate: 10_000, batch: 10 }
/** At a tenth of the rate of `direct` compilers take longer. */
const WARM_SECONDS = 20
const RIVALS = [JETSTREAM, JETSTREAM_STREAMS]

export const receipts: Scenario = {
  name: 'receipts',
  summary:
    '50 pairs, 10,000 messages/s of 200 bytes, ten to a frame, with a receipt for each and each acknowledged by its reader',
  in_short: true,
  async run(run) {
    const keepings: Keeping[] = run.short ? ['memory', 'normal'] : ['memory', 'normal', 'full']
    const peers: ReceiptPeer[] = [...keepings.map(receiptBroker), ...(run.short ? [] : RIVALS)]
    const pairs = { ...PAIRS, ...windows(run), ...(run.short ? {} : { warm_seconds: WARM_SECONDS }) }
    const contenders = peers.map((peer) => ({
      name: peer.name,
      measure: () => measureReceipts(peer, pairs),
    }))
    const measured = await compare(run, contenders)
    const budgets = (own: Receipted | undefined): Budget[] => [
      ...ratio('CPU to memory', own, measured.get('memory'), 'at most', 1.4),
      ...ratio('CPU to JetStream', own, measured.get(JETSTREAM.name), 'at most', 0.4),
    ]
    const rows = keepings.map((keeping) =>
      receiptRow(keeping, measured.get(keeping), keeping === 'normal' ? budgets : () => []),
    )
    for (const keeping of keepings) measured.delete(keeping)
    return { rows: [...rows, ...referenceRows(measured)] }
  },
}

/** @param budgets of what was measured; of what is not available there are none */
export function receiptRow(
  keeping: Keeping,
  measured: Receipted | undefined,
  budgets: (measured: Receipted | undefined) => Budget[],
): Row {
  if (!isAvailable(keeping)) return { what: keeping, lost: 0, twice: 0, budgets: [], note: NOT_AVAILABLE }
  const { p50, p99 } = measured?.receipt_latency ?? { p50: Number.NaN, p99: Number.NaN }
  const note = `receipts p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`
  return { what: keeping, lost: 0, twice: 0, ...measured, budgets: budgets(measured), note }
}

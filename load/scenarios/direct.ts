import { compare, measurePairs, type Pairs, referenceRows } from '../pairs.ts'
import { BROKER, TYPED_BROKER } from '../peers/broker.ts'
import { NATS } from '../peers/nats.ts'
import { NCHAN } from '../peers/nchan.ts'
import type { Peer } from '../peers/peer.ts'
import { RELAY_PEER } from '../peers/relay.ts'
import { type Budget, type Measured, type Outcome, type Run, ratio, type Scenario } from '../scenario.ts'

const BATCHED: Pairs = { pairs: 50, rate: 100_000, batch: 10 }
/** Slower than `direct`, so that a small machine keeps up with both. */
const TYPED: Pairs = { pairs: 50, rate: 60_000, batch: 10 }
const SINGLE: Pairs = { pairs: 50, rate: 30_000, batch: 1 }

type Named = (name: string) => Measured | undefined

export const direct: Scenario = {
  name: 'direct',
  summary: '50 pairs, 100,000 messages/s of 200 bytes, publishers that batch 10 messages to a frame',
  in_short: true,
  async run(run) {
    const outcome = await sideBySide(run, BATCHED, [BROKER, RELAY_PEER, NATS], (of) => [
      ...ratio('CPU to bare relay', of(BROKER.name), of(RELAY_PEER.name), 'at most', 2.1, 1.7),
      ...ratio('CPU to nats-server', of(BROKER.name), of(NATS.name), 'at most', 2.1, 1.5),
    ])
    run.direct = outcome.rows[0]!
    return outcome
  },
}

export const directFrames: Scenario = {
  name: 'direct-frames',
  summary: '50 pairs, 30,000 messages/s of 200 bytes, a frame per message',
  in_short: true,
  run: (run) =>
    sideBySide(run, SINGLE, run.short ? [BROKER, RELAY_PEER] : [BROKER, RELAY_PEER, NATS, NCHAN], (of) =>
      ratio('CPU to bare relay', of(BROKER.name), of(RELAY_PEER.name), 'at most', 1.9, 1.4),
    ),
}

export const typed: Scenario = {
  name: 'typed',
  summary: 'direct at 60,000 messages/s of the ready protocol chat, against the same without a protocol',
  in_short: true,
  async run(run) {
    const contender = (peer: Peer) => ({ name: peer.name, measure: () => measurePairs(run, peer, TYPED) })
    const measured = await compare(run, [TYPED_BROKER, BROKER].map(contender))
    const own = measured.get(TYPED_BROKER.name)!
    const untyped = measured.get(BROKER.name)
    const rows = [
      { what: TYPED_BROKER.name, ...own, budgets: ratio('CPU to untyped', own, untyped, 'at most', 1.25) },
    ]
    measured.delete(TYPED_BROKER.name)
    return { rows: [...rows, ...referenceRows(measured)] }
  },
}

/** The broker alone in `direct`, for a scenario that is measured against it. */
export async function measuredDirect(run: Run): Promise<Measured | undefined> {
  if (!run.direct) {
    const alone = [{ name: 'direct, to compare with', measure: () => measurePairs(run, BROKER, BATCHED) }]
    run.direct = (await compare(run, alone)).values().next().value
  }
  return run.direct
}

async function sideBySide(
  run: Run,
  pairs: Pairs,
  peers: readonly Peer[],
  budgets: (of: Named) => Budget[],
): Promise<Outcome> {
  const contenders = peers.map((peer) => ({
    name: peer.name,
    measure: () => measurePairs(run, peer, pairs),
  }))
  const measured = await compare(run, contenders)
  const own = {
    ...measured.get(BROKER.name)!,
    what: BROKER.name,
    budgets: budgets((name) => measured.get(name)),
  }
  measured.delete(BROKER.name)
  return { rows: [own, ...referenceRows(measured)] }
}

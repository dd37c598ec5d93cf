import { type MaybePromise, then } from '../engine/engine.ts'
import type { Broker } from './broker.ts'

/** No more messages than this since the last look are quiet. */
const QUIET_MESSAGES = 100
/** Letting go of less is not worth a pause, in bytes as the engine counts them. */
const WORTH_BYTES = 8 * 1024 * 1024

/**
 * Has garbage collected once the broker has let go of much and is quiet. The runtime sees to that by itself while there
 * is work, but not when there is none: what a burst left in history expires long after it, and would stay in memory
 * until the next one.
 *
 * @param collect returns memory to the system; it may stop everything for some milliseconds
 * @returns one look, a chore for housekeeping
 */
export function collectsWhenQuiet(
  { engine, counters }: Pick<Broker, 'engine' | 'counters'>,
  collect: () => void,
): () => MaybePromise<void> {
  let moved = 0
  let stored_bytes_most = 0
  return () =>
    then(engine.stats(), ({ stored_bytes }) => {
      const before = moved
      moved = counters.accepted + counters.delivered
      stored_bytes_most = Math.max(stored_bytes_most, stored_bytes)
      if (moved - before > QUIET_MESSAGES || stored_bytes_most - stored_bytes < WORTH_BYTES) return
      stored_bytes_most = stored_bytes
      collect()
    })
}

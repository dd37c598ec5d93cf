import { type MaybePromise, then } from '../core/maybe-promise.ts'
import type { Broker } from './broker.ts'

/** The broker is quiet when no more messages than this have passed since the last look. */
const QUIET_MESSAGES = 100
/** Freeing less than this is not worth a pause; in bytes as the engine counts them. */
const WORTH_BYTES = 8 * 1024 * 1024

/**
 * Collects garbage once the broker has freed much and is quiet. The runtime collects by itself only while
 * there is work. The history of a burst expires long after the burst, and would stay in memory until the
 * next one.
 *
 * @param collect returns memory to the system; it may stop the process for some milliseconds
 * @returns a chore for housekeeping
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

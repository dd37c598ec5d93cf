/**
 * Counts bytes that an engine holds: in mailboxes, dead letters and idempotency keys. Each project has one,
 * which counts into the one of the whole engine.
 */
export class Meter {
  bytes = 0
  /** The part of `bytes` that is history, which is overwritten when new messages need room. */
  history_bytes = 0

  constructor(private readonly whole?: Meter) {}

  /** @param bytes negative for what is no longer held */
  add(bytes: number): void {
    this.bytes += bytes
    if (this.whole) this.whole.bytes += bytes
  }

  /** Counts bytes, which `bytes` has already, as history. */
  addHistory(bytes: number): void {
    this.history_bytes += bytes
    if (this.whole) this.whole.history_bytes += bytes
  }
}

import type { Remembered } from '../../memory/client.ts'
import type { AddressLog, Span } from '../records/address-log.ts'

/**
 * What has its record in one segment of the log, so that it can be written anew before the segment is
 * deleted. It may list too much: what has been written further on since, or is gone. A segment's own list is
 * complete for records that lie in it or further on.
 */
export class Contents {
  constructor(readonly segment: number) {}

  /** In rising order of offset for each mailbox, and apart from those of other segments. */
  readonly spans: Span[] = []
  /** Messages that were written anew here, after younger ones of their mailbox. */
  readonly again: { readonly log: AddressLog; readonly offset: number }[] = []
  readonly addresses: AddressLog[] = []
  /** Numbers of dead letters, by project. */
  readonly letters = new Map<string, number[]>()
  readonly keys: { readonly sender: AddressLog; readonly key: string; readonly kept: Remembered }[] = []
  readonly records: {
    readonly kind: string
    readonly project: string
    readonly id: string
    readonly version: number
  }[] = []

  letter(project: string, number: number): void {
    this.letters.getOrInsertComputed(project, () => []).push(number)
  }
}

import { type Entry, LEASED, type Lease } from './entry.ts'
import { entriesAfter, liveAt, type Retained } from './position.ts'

/** Many ids, sorted by what a mailbox knows of them. */
export interface Standing {
  /** Not yet acknowledged. */
  readonly live: Entry[]
  readonly acknowledged: string[]
  readonly unknown: string[]
}

/** Finds the entries of one mailbox. */
export class Entries {
  /** The highest id so far. */
  #last_id = ''
  /** Offsets of messages whose ids are below that of an older one: bounces, and what was requeued. */
  readonly #astray = new Map<string, number>()

  constructor(private readonly retained: Retained) {}

  /**
   * Notes the id of a message that is about to be added. Ids rise with the offsets, as UUIDv7 do, which
   * allows a binary search; those that do not are looked up apart.
   *
   * @param count messages that the mailbox holds so far
   */
  added(message_id: string, offset: number, count: number): void {
    if (count === 0) {
      this.#last_id = ''
      this.#astray.clear()
    }
    if (message_id > this.#last_id) {
      this.#last_id = message_id
      return
    }
    if (this.#astray.size > 2 * count) this.#forgetGone()
    this.#astray.set(message_id, offset)
  }

  #forgetGone(): void {
    for (const [id, offset] of this.#astray) if (!this.at(offset)) this.#astray.delete(id)
  }

  /** The entry of a message; one that was acknowledged is made anew, and changes to it are not kept. */
  find(message_id: string): Entry | undefined {
    const astray = this.#astray.get(message_id)
    if (astray !== undefined) return this.at(astray)
    const { live, history } = this.retained
    return (
      live.findRising(
        (entry) => compare(entry.message.message_id, message_id),
        (entry) => this.#astray.has(entry.message.message_id),
      ) ?? history.find(message_id, this.#astray)
    )
  }

  /** The entry at an offset; as in {@link find} if it was acknowledged. */
  at(offset: number): Entry | undefined {
    const { live, history } = this.retained
    const entry = liveAt(live, offset)
    if (entry) return entry
    const past = history.indexAfter(offset - 1)
    return past < history.length && history.offsetAt(past) === offset ? history.entryAt(past) : undefined
  }

  /** Sorts ids in one pass over the mailbox, which is bounded, however many ids there are. */
  findAll(message_ids: ReadonlySet<string>): Standing {
    const { live, history } = this.retained
    const entries: Entry[] = []
    const here = new Set<string>()
    for (let i = 0; i < live.length; i++) {
      const entry = live.at(i)
      if (entry.gone || !message_ids.has(entry.message.message_id)) continue
      entries.push(entry)
      here.add(entry.message.message_id)
    }
    if (here.size === message_ids.size) return { live: entries, acknowledged: [], unknown: [] }
    const acknowledged = history.among(message_ids)
    for (const id of acknowledged) here.add(id)
    return { live: entries, acknowledged, unknown: [...message_ids].filter((id) => !here.has(id)) }
  }

  /** Leased entries, oldest first; without the delayed ones. */
  leased(): Entry[] {
    const { live } = this.retained
    const leased: Entry[] = []
    for (let i = 0; i < live.length; i++) {
      const entry = live.at(i)
      if (entry.state === LEASED) leased.push(entry)
    }
    return leased
  }

  /** The unacknowledged entries of these leases, but for those that have been delivered again since. */
  of(leases: readonly Lease[]): Entry[] {
    const entries: Entry[] = []
    const { live } = this.retained
    let index = 0
    for (const { offset, attempt } of leases) {
      // Most leases are consecutive: the entry after the last one is tried first.
      if (index >= live.length || live.at(index).offset !== offset) index = live.indexAfter(offset - 1)
      if (index === live.length) continue
      const entry = live.at(index)
      if (entry.offset !== offset || entry.gone) continue
      index++
      if (entry.attempts === attempt) entries.push(entry)
    }
    return entries
  }

  /**
   * The unacknowledged entries that a client with a cursor at `offset` has read: those at or before it that
   * were delivered in their turn, even if another reader holds the lease now.
   */
  readThrough(offset: number): Entry[] {
    const { live } = this.retained
    const read: Entry[] = []
    for (let i = 0; i < live.length; i++) {
      const entry = live.at(i)
      if (entry.offset > offset) break
      if (!entry.gone && entry.cursor_acks) read.push(entry)
    }
    return read
  }

  /** Retained entries after an offset, in rising order of offset and in any state. */
  after(offset: number): Generator<Entry> {
    return entriesAfter(this.retained, offset)
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

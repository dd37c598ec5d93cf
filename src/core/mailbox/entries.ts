import { type Entry, LEASED, type Lease } from './entry.ts'
import { entriesAfter, type Retained } from './position.ts'

/** Many ids, sorted by what a mailbox knows of them. */
export interface Standing {
  /** Not yet acknowledged. */
  readonly live: Entry[]
  readonly acknowledged: string[]
  readonly unknown: string[]
}

/** Finds the entries of one mailbox. */
export class Entries {
  /** Id of the newest message. */
  #last_id = ''
  /** Ids rise with the offsets, as UUIDv7 do until an older message is put back: binary search works. */
  #ids_rise = true

  constructor(private readonly retained: Retained) {}

  /** Notes the id of a message that is about to be added. @param first there is no other in the mailbox */
  added(message_id: string, first: boolean): void {
    if (first) this.#ids_rise = true
    else if (message_id <= this.#last_id) this.#ids_rise = false
    this.#last_id = message_id
  }

  /** The entry of a message; one that was acknowledged is made anew, and changes to it are not kept. */
  find(message_id: string): Entry | undefined {
    return this.#findLive(message_id) ?? this.retained.history.find(message_id, this.#ids_rise)
  }

  #findLive(message_id: string): Entry | undefined {
    const { live } = this.retained
    if (this.#ids_rise) return live.findRising((entry) => compare(entry.message.message_id, message_id))
    for (let i = 0; i < live.length; i++) if (live.at(i).message.message_id === message_id) return live.at(i)
    return undefined
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

import { parseCursor } from '../../../src/core/cursor.ts'
import type { Message } from '../../../src/core/message.ts'
import type { Announcement } from '../../../src/engine/values.ts'
import { placeOf } from '../ledger.ts'

/** A message in a mailbox, as the engine has it. */
interface Stored {
  readonly client_id: string
  readonly offset: number
  readonly stored_ms: number
  /** It was handed to its client, by whatever instance. */
  sent: boolean
  /** Its client has it. */
  came: boolean
  acked: boolean
  died: boolean
  /** A read that nobody has the answer to may have acknowledged it. */
  taken: boolean
}

/** What the one engine under all instances says has happened. */
export class Truth {
  readonly stored = new Map<string, Stored>()
  readonly #unsent = new Map<string, Set<Stored>>()
  /** The first message with each label. */
  readonly #labels = new Map<string, string>()
  acked = 0
  redelivered = 0
  dead = 0

  constructor(private readonly now: () => number) {}

  /** @throws Error where a new message is in the mailbox already, or was */
  announced({ client_id, message_id, offset, redelivery }: Announcement): void {
    if (redelivery) {
      this.redelivered++
      return
    }
    const place = placeOf(client_id, message_id)
    if (this.stored.has(place)) throw new Error(`${place} is stored twice`)
    const state = { sent: false, came: false, acked: false, died: false, taken: false }
    const stored = { client_id, offset, stored_ms: this.now(), ...state }
    this.stored.set(place, stored)
    const unsent = this.#unsent.get(client_id)
    if (unsent) unsent.add(stored)
    else this.#unsent.set(client_id, new Set([stored]))
  }

  acknowledged(client_id: string, message_id: string): void {
    const stored = this.stored.get(placeOf(client_id, message_id))
    if (!stored || stored.acked) return
    stored.acked = true
    this.acked++
  }

  /** A read with `auto` was not answered. */
  mayBeTaken(client_id: string): void {
    for (const stored of this.stored.values()) if (stored.client_id === client_id) stored.taken = true
  }

  died(client_id: string, message_id: string): void {
    const stored = this.stored.get(placeOf(client_id, message_id))
    if (!stored || stored.died) return
    stored.died = true
    this.dead++
  }

  hasDied(client_id: string, message_id: string): boolean {
    return this.stored.get(placeOf(client_id, message_id))?.died === true
  }

  /** Whether the message is in this mailbox, or was. */
  knows(client_id: string, message_id: string): boolean {
    return this.stored.has(placeOf(client_id, message_id))
  }

  /** @throws Error where the message is not of this mailbox */
  of(client_id: string, message_id: string): Stored {
    const stored = this.stored.get(placeOf(client_id, message_id))
    if (!stored) throw new Error(`${message_id} is not in the mailbox of ${client_id}`)
    return stored
  }

  /** A message is handed to its client. */
  sent(client_id: string, { message_id }: Pick<Message, 'message_id'>): Stored {
    const stored = this.of(client_id, message_id)
    stored.sent = true
    return stored
  }

  /** A client has a message. @throws Error where another one says the same */
  came(client_id: string, { message_id, payload }: Message): void {
    this.sent(client_id, { message_id }).came = true
    const label = `${client_id} ${JSON.stringify(payload)}`
    const first = this.#labels.get(label) ?? message_id
    this.#labels.set(label, first)
    if (first !== message_id) throw new Error(`${label} is stored twice`)
  }

  /** Whoever resumes after a cursor misses nothing. @throws Error where it would */
  checkCursor(client_id: string, cursor: string): void {
    const { offset } = parseCursor(cursor)
    const unsent = this.#unsent.get(client_id) ?? []
    for (const stored of unsent) {
      if (stored.sent || stored.acked || stored.died) (unsent as Set<Stored>).delete(stored)
      else if (stored.offset <= offset)
        throw new Error(`${client_id} was not sent ${stored.offset}, and has the cursor ${cursor}`)
    }
  }
}

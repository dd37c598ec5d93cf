import { Ring } from '../../core/mailbox/ring.ts'
import type { Client, Place } from './client.ts'

/** The clients of one project with a session, in the order in which they were last heard. */
export class LastHeard {
  readonly #ring = new Ring<Place>()
  #last = 0
  /** Clients here; `senders` counts those that were only ever named as a sender. */
  count = 0
  senders = 0

  /** Moves a client to the end, or adds it. */
  move(client: Client): void {
    const { place } = client
    if (place) this.#leave(place)
    else this.#counted(client, 1)
    client.place = { offset: ++this.#last, client, gone: false }
    this.#ring.push(client.place)
  }

  remove(client: Client): void {
    if (!client.place) return
    this.#leave(client.place)
    client.place = undefined
    this.#counted(client, -1)
  }

  /** Notes that a client here, counted as a sender, has checked in or read its mail. */
  becameReader(): void {
    this.senders--
  }

  /**
   * Clients, the last heard first.
   *
   * @param before `next` of the page before: the offset of its last place
   * @param senders include those that were only ever named as a sender
   */
  page(before: string | undefined, limit: number, senders: boolean): { clients: Client[]; next?: string } {
    const clients: Client[] = []
    const from = before === undefined ? this.#ring.length : this.#ring.indexAfter(Number(before) - 1)
    for (let i = from - 1; i >= 0; i--) {
      const { client, gone } = this.#ring.at(i)
      if (gone || (client.session!.sender_only && !senders)) continue
      if (clients.length === limit) return { clients, next: String(clients.at(-1)!.place!.offset) }
      clients.push(client)
    }
    return { clients }
  }

  #counted({ session }: Client, by: 1 | -1): void {
    this.count += by
    if (session!.sender_only) this.senders += by
  }

  #leave(place: Place): void {
    place.gone = true
    this.#ring.release()
  }
}

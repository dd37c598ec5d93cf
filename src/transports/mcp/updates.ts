import type { Broker } from '../../broker/broker.ts'
import type { Address } from '../../engine/values.ts'

/** Inboxes that one session or stream may watch. */
export const SUBSCRIPTIONS_MAX = 256

/**
 * Hints about new mail for one session or stream: at most one for each inbox in a turn of the event loop,
 * and at most one pending for each inbox while the client does not read.
 */
export class InboxUpdates {
  /** By `client_id`, since one inbox has several spellings of its URI. */
  readonly #watched = new Map<string, { readonly uri: string; readonly end: () => void }>()
  readonly #pending = new Set<string>()
  #scheduled = false
  #closed = false

  /**
   * @param writable whether the client can be told now; while not, a hint waits for {@link flush}
   * @param tell tells the client that the resource at a URI has changed
   */
  constructor(
    private readonly broker: Broker,
    private readonly writable: () => boolean,
    private readonly tell: (uri: string) => void,
  ) {}

  get size(): number {
    return this.#watched.size
  }

  /**
   * Watches an inbox, unless it is watched already, or the client has gone meanwhile.
   *
   * @param uri as the client spells it
   */
  watch(address: Address, uri: string): void {
    if (this.#closed || this.#watched.has(address.client_id)) return
    const end = this.broker.hub.watch(address, () => {
      this.#pending.add(uri)
      if (this.#scheduled) return
      this.#scheduled = true
      this.broker.end_of_turn.afterFlush(this.flush)
    })
    this.#watched.set(address.client_id, { uri, end })
  }

  unwatch({ client_id }: Pick<Address, 'client_id'>): void {
    const watched = this.#watched.get(client_id)
    if (!watched) return
    watched.end()
    this.#watched.delete(client_id)
    this.#pending.delete(watched.uri)
  }

  /** Sends the pending hints, if the client can be told now. */
  readonly flush = (): void => {
    this.#scheduled = false
    if (this.#pending.size === 0 || !this.writable()) return
    const uris = [...this.#pending]
    this.#pending.clear()
    for (const uri of uris) this.tell(uri)
  }

  close(): void {
    this.#closed = true
    for (const client_id of [...this.#watched.keys()]) this.unwatch({ client_id })
  }
}

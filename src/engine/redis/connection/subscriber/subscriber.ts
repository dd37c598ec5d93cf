import type { RedisClient } from '../redis-client.ts'
import { Feed, type FeedOwner } from './feed.ts'

export interface SubscriberEvents {
  message(channel: string, text: string): void
  /** Announcements may have been lost: everything has to be looked at. All channels are subscribed again. */
  missed(): void
}

/**
 * Follows channels, over connections of its own: one for each server that has any. Channels go where a client
 * says that their slot is.
 */
export class RedisSubscriber {
  readonly #client: RedisClient
  readonly #owner: FeedOwner
  /** The feed that has a channel, by its address; undefined while it is not known where it belongs. */
  readonly #channels = new Map<string, string | undefined>()
  readonly #feeds = new Map<string, Feed>()
  /** Those who wait for a channel. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>()
  readonly #unlisten: () => void
  #placed_by = -1

  constructor(client: RedisClient, events: SubscriberEvents) {
    this.#client = client
    this.#owner = {
      get sharded() {
        return client.sharded ?? false
      },
      message: (channel, text) => {
        if (this.#channels.has(channel)) events.message(channel, text)
      },
      subscribed: (channel) => this.#subscribed(channel),
      missed: () => events.missed(),
      moved: (channel, answer) => client.moved(channel, answer),
    }
    this.#unlisten = client.onChange(() => this.#placeAll())
  }

  /** All channels are subscribed at present. */
  get complete(): boolean {
    for (const address of this.#channels.values()) if (address === undefined) return false
    for (const feed of this.#feeds.values()) if (!feed.complete) return false
    return true
  }

  /**
   * Follows a channel until {@link unfollow}.
   *
   * @returns resolved once it is subscribed, and so nothing of it is lost; at the latest when it is left
   */
  follow(channel: string): Promise<void> {
    const known = this.#waiting.get(channel)
    if (known) return known.promise
    if (this.#channels.has(channel)) return Promise.resolve()
    const waiting = Promise.withResolvers<void>()
    this.#waiting.set(channel, waiting)
    this.#channels.set(channel, undefined)
    this.#place(channel, undefined)
    return waiting.promise
  }

  unfollow(channel: string): void {
    const address = this.#channels.get(channel)
    this.#channels.delete(channel)
    this.#subscribed(channel)
    if (address !== undefined) this.#leave(channel, address)
  }

  #subscribed(channel: string): void {
    this.#waiting.get(channel)?.resolve()
    this.#waiting.delete(channel)
  }

  #place(channel: string, from: string | undefined): void {
    const home = this.#client.homeOf(channel)
    if (!home || home.address === from) return
    let feed = this.#feeds.get(home.address)
    if (!feed) {
      feed = new Feed(home.options, this.#owner)
      this.#feeds.set(home.address, feed)
    }
    this.#channels.set(channel, home.address)
    feed.follow(channel, from !== undefined)
    if (from !== undefined) this.#leave(channel, from)
  }

  #leave(channel: string, address: string): void {
    const feed = this.#feeds.get(address)
    feed?.unfollow(channel)
    if (!feed?.idle) return
    feed.stop()
    this.#feeds.delete(address)
  }

  #placeAll(): void {
    const { placement } = this.#client
    if (placement === this.#placed_by) return
    this.#placed_by = placement
    for (const [channel, address] of this.#channels) this.#place(channel, address)
  }

  stop(): void {
    this.#unlisten()
    for (const feed of this.#feeds.values()) feed.stop()
    this.#feeds.clear()
    for (const channel of [...this.#waiting.keys()]) this.#subscribed(channel)
    this.#channels.clear()
  }
}

import type { Limits } from '../../../core/limits.ts'
import type { State } from '../../../core/mailbox/entry.ts'
import { isToMany, mayBeTo } from '../../../core/message-id.ts'
import type { Engine } from '../../engine.ts'
import type { Address, ClientState, ClientsPage, EngineStats, Found, Page } from '../../values.ts'
import type { DeadLetters } from '../dead-letters/dead-letters.ts'
import { type MailboxCall, noted, type Refused } from '../mailbox/calls.ts'
import { mailboxKeys } from '../mailbox/keys.ts'
import type { Lanes } from '../mailbox/lanes.ts'
import { mailboxScript } from '../mailbox/scripts.ts'
import { readMessage } from '../mailbox/text.ts'
import type { Command } from '../script.ts'
import { clientCall, clientState, type StoredClient } from '../sessions/calls.ts'
import type { AddressIndex } from './address-index.ts'
import find from './find.lua' with { type: 'text' }

export const FIND = mailboxScript('find', find)

/** Mailboxes that are asked in one go. */
const CHUNK = 64
/** Addresses that are listed in one go, to pick those that may have a message. */
const LISTED = 1000
/** Mailboxes that one call searches. */
const SEARCHED_MAX = 1000

/** What is in a mailbox: messages, and bytes of them. */
interface Size {
  readonly live: number
  readonly pending: number
  readonly history: number
  readonly bytes: number
}

export interface ListsOptions {
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
  readonly lanes: Lanes
  readonly index: AddressIndex
  readonly dead_letters: DeadLetters
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What is asked of many addresses. The index says where to look, and each address what is so. */
export class Lists {
  constructor(private readonly options: ListsOptions) {}

  /** As {@link Engine.client}. */
  async client(
    project: string,
    by: { readonly client_id: string } | { readonly session_id: string },
  ): Promise<ClientState | undefined> {
    const client_id =
      'client_id' in by ? by.client_id : await this.options.index.holder(project, by.session_id)
    if (client_id === undefined) return undefined
    const stored = await this.#stored({ project, client_id })
    if (!stored || ('session_id' in by && stored.session?.session_id !== by.session_id)) return undefined
    return this.#state(project, client_id, stored)
  }

  #state(project: string, client_id: string, stored: StoredClient): ClientState {
    const { limits, now } = this.options
    return clientState(client_id, stored, now(), limits(project))
  }

  async #stored(address: Address): Promise<StoredClient | undefined> {
    const answer = await this.options.lanes.call(address, clientCall(address))
    return typeof answer === 'string' ? undefined : answer.client
  }

  /** As {@link Engine.clients}. */
  async page(
    project: string,
    { of, by, after, limit }: ClientsPage,
  ): Promise<Page<ClientState> & { readonly total?: number }> {
    const { index } = this.options
    const total = await index.count(project, of)
    const items: ClientState[] = []
    let from = after
    for (;;) {
      const { ids, next } =
        by === 'last_heard' && of !== 'addresses'
          ? await index.byHeard(project, of, from, limit - items.length)
          : await index.byId(project, from, Math.max(CHUNK, limit - items.length))
      const states = await Promise.all(
        ids.map(async (client_id) => {
          const stored = await this.#stored({ project, client_id })
          return stored && isOf(stored, of) ? this.#state(project, client_id, stored) : undefined
        }),
      )
      for (const state of states) {
        if (!state) continue
        if (items.length === limit) return { items, next: items.at(-1)!.client_id, total }
        items.push(state)
      }
      if (by === 'last_heard') items.sort(laterHeard)
      if (next === undefined) return { items, next, total }
      if (by === 'last_heard' && items.length >= limit) return { items, next, total }
      from = next
    }
  }

  /** As {@link Engine.stats}. */
  async stats(project?: string): Promise<EngineStats> {
    const { index, dead_letters } = this.options
    const sum = { clients: 0, pending: 0, leased: 0, history: 0, dead_letters: 0, stored_bytes: 0 }
    for (const name of project === undefined ? await index.projects() : [project]) {
      await this.#eachSize(name, ({ pending, live, history, bytes }) => {
        sum.clients++
        sum.pending += pending
        sum.leased += live - pending
        sum.history += history
        sum.stored_bytes += bytes
      })
      const dead = await dead_letters.totals(name)
      sum.dead_letters += dead.count
      sum.stored_bytes += dead.bytes
    }
    return sum
  }

  /** Visits the sizes of all mailboxes of a project. By plain commands: a script costs many times as much. */
  async #eachSize(project: string, visit: (size: Size) => void): Promise<void> {
    const { index, command, prefix } = this.options
    const sizeOf = async (client_id: string): Promise<Size | undefined> => {
      const [state = '', , pending = '', , history = ''] = mailboxKeys(prefix, { project, client_id })
      const [fields, pending_count, history_count] = await Promise.all([
        command('HMGET', state, 'live', 'bytes', 'history_bytes'),
        command('ZCARD', pending),
        command('ZCARD', history),
      ])
      const [live, bytes, history_bytes] = fields as (string | null)[]
      if (live === null) return undefined
      return {
        live: Number(live),
        pending: Number(pending_count),
        history: Number(history_count),
        bytes: Number(bytes) + Number(history_bytes),
      }
    }
    for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
      const { ids, next } = await index.byId(project, after, LISTED)
      for (const size of await Promise.all(ids.map(sizeOf))) if (size) visit(size)
      after = next
    }
  }

  /** Visits all addresses of a project. */
  async eachOf(project: string, visit: (client: StoredClient, client_id: string) => unknown): Promise<void> {
    for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
      const { ids, next } = await this.options.index.byId(project, after, CHUNK)
      const found = await Promise.all(ids.map((client_id) => this.#stored({ project, client_id })))
      for (const [i, client] of found.entries()) if (client) await visit(client, ids[i]!)
      after = next
    }
  }

  /** All projects. */
  projects(): Promise<string[]> {
    return this.options.index.projects()
  }

  /** As {@link Engine.find}. */
  async find(
    project: string,
    message_id: string,
    { recipient_id, after, limit }: Parameters<Engine['find']>[2],
  ): Promise<Page<Found>> {
    const items: Found[] = []
    if (recipient_id === undefined) {
      let from = after
      for (let searched = 0; ; ) {
        const { ids, next } = await this.options.index.byId(project, from, LISTED)
        const asked = ids.filter((client_id) => mayBeTo(message_id, client_id))
        searched += asked.length
        for (let at = 0; at < asked.length; at += CHUNK) {
          const some = asked.slice(at, at + CHUNK)
          const found = await Promise.all(
            some.map((client_id) => this.#findIn(project, client_id, message_id)),
          )
          for (const [i, one] of found.entries()) {
            if (!one) continue
            items.push(one)
            if (items.length === limit) return { items, next: some[i]! }
          }
        }
        if (next === undefined) break
        if (searched >= SEARCHED_MAX) return { items, next }
        from = next
      }
    } else {
      const one = await this.#findIn(project, recipient_id, message_id)
      if (one) items.push(one)
    }
    // Once it is a dead letter it is in no mailbox.
    if (items.length > 0 && !isToMany(message_id)) return { items, next: undefined }
    for (const letter of await this.options.dead_letters.find(project, message_id))
      if (recipient_id === undefined || letter.recipient_id === recipient_id)
        items.push({
          recipient_id: letter.recipient_id,
          message: letter.message,
          attempts: letter.attempts,
          state: letter.reason,
        })
    return { items, next: undefined }
  }

  async #findIn(project: string, client_id: string, message_id: string): Promise<Found | undefined> {
    const found = await this.options.lanes.call({ project, client_id }, findCall(client_id, message_id))
    return typeof found === 'string' ? undefined : found.found
  }
}

function findCall(
  recipient_id: string,
  message_id: string,
): MailboxCall<{ readonly found: Found | undefined } | Refused> {
  return {
    script: FIND,
    args: [message_id],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [attempts, state, text]] = noted(answer)
      if (text === undefined) return { ...all, found: undefined }
      const message = readMessage(String(text))
      return {
        ...all,
        found: { recipient_id, message, attempts: Number(attempts), state: Number(state) as State },
      }
    },
  }
}

function isOf({ session }: StoredClient, of: ClientsPage['of']): boolean {
  return of === 'addresses' || (session !== undefined && (of === 'sessions' || !session.sender_only))
}

function laterHeard(a: ClientState, b: ClientState): number {
  return (b.session?.last_seen_ms ?? 0) - (a.session?.last_seen_ms ?? 0)
}

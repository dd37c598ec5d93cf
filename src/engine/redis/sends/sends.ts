import type { Limits } from '../../../core/limits.ts'
import type { StoredMessage } from '../../../core/message.ts'
import { sessionStatus } from '../../../core/session.ts'
import { retryAfter } from '../../memory/overflow.ts'
import {
  type Address,
  type Appended,
  type IdempotencyKey,
  type Repeated,
  type Sent,
  STORED,
  type Variant,
} from '../../values.ts'
import type { Holders } from '../addresses/holders.ts'
import { RedisFailed } from '../connection/failures.ts'
import { type AppendAnswer, appendCall, type Refused } from '../mailbox/calls.ts'
import type { As, Lanes } from '../mailbox/lanes.ts'
import type { Mark } from '../mailbox/text.ts'
import { carriedOut } from '../mailboxes.ts'
import type { Usage } from '../usage.ts'
import { type ClaimAnswer, claimCall, finishCall, type Known, lookCall } from './calls.ts'

export interface SendsOptions {
  readonly lanes: Lanes
  readonly holders: Holders
  readonly usage: Usage
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly newEpoch: () => string
}

/** What came of one message, whatever call it went in. */
type Outcome = Omit<AppendAnswer, 'outcomes'> & { readonly outcome: AppendAnswer['outcomes'][number] }

/** Stores messages, also those of sends that must not be made twice. */
export class Sends {
  /** Sends with an idempotency key, by project, sender and key. */
  readonly #under_way = new Map<string, Promise<unknown>>()

  constructor(private readonly options: SendsOptions) {}

  /** As {@link Engine.append}. */
  async append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key: IdempotencyKey | undefined,
  ): Promise<Appended | Repeated> {
    if (key === undefined) return this.store(project, message, recipient_id, 0)
    const sent = await this.appendToMany(project, [{ message, recipients: [recipient_id] }], key)
    return sent.outcome === 'repeated' ? sent : sent.deliveries[0]!
  }

  /** As {@link Engine.appendToMany}. */
  appendToMany(
    project: string,
    variants: readonly Variant[],
    key: IdempotencyKey | undefined,
  ): Promise<Sent | Repeated> {
    return key
      ? this.#afterOthers(project, variants[0]!.message.sender_id, key.key, () =>
          this.#toMany(project, variants, key),
        )
      : this.#toMany(project, variants, undefined)
  }

  /** Has one send at a time under way with a key: the next finds what came of it. */
  async #afterOthers<T>(project: string, sender_id: string, key: string, send: () => Promise<T>): Promise<T> {
    const name = JSON.stringify([project, sender_id, key])
    const before = this.#under_way.get(name)
    const sending = before ? before.catch(() => undefined).then(send) : send()
    this.#under_way.set(name, sending)
    try {
      return await sending
    } finally {
      if (this.#under_way.get(name) === sending) this.#under_way.delete(name)
    }
  }

  async #toMany(
    project: string,
    variants: readonly Variant[],
    key: IdempotencyKey | undefined,
  ): Promise<Sent | Repeated> {
    const { sender_id, expires_ms, broadcast } = variants[0]!.message
    let { message_id } = variants[0]!.message
    let goes_on = false
    const sender = { project, client_id: sender_id }
    const { idempotency_seconds } = this.options.limits(project)
    const mark = key && { key: key.key, until_ms: this.options.now() + idempotency_seconds * 1000 }
    if (key && mark) {
      const claim = await this.#claim(sender, key, message_id, mark.until_ms)
      if (claim?.known) return repeatedBy(claim.known)
      // An earlier send with the key began, and some recipients may have its message.
      goes_on = claim !== undefined && claim.message_id !== message_id
      if (goes_on) message_id = claim!.message_id
    }
    const recipients: string[] = []
    const stores: Promise<Appended>[] = []
    for (const { message, recipients: some } of variants)
      for (const recipient_id of some) {
        recipients.push(recipient_id)
        const named = goes_on ? renamed(message, message_id) : message
        stores.push(this.store(project, named, recipient_id, 0, mark))
      }
    const deliveries = await Promise.all(stores)
    const sent: Sent = { outcome: 'sent', broadcast, message_id, expires_ms, recipients, deliveries }
    if (!key) return sent
    const any = deliveries.some(({ outcome }) => outcome === 'stored')
    const finished = await this.options.lanes.call(sender, finishCall(key.key, any ? sent : undefined))
    if (typeof finished === 'object' && finished.known) return repeatedBy(finished.known)
    return any && goes_on ? repeatedBy({ digest: key.digest, sent }) : sent
  }

  /** @returns what is known of the send; undefined: nothing will be, it may begin */
  async #claim(
    sender: Address,
    key: IdempotencyKey,
    message_id: string,
    until_ms: number,
  ): Promise<ClaimAnswer | undefined> {
    const { lanes, holders, limits, newEpoch } = this.options
    const { idempotency_keys_max } = limits(sender.project)
    const claim = (epoch: string | undefined) =>
      lanes.call(sender, claimCall(key, message_id, until_ms, idempotency_keys_max, epoch))
    let answer = await claim(undefined)
    if (answer === 'unknown') {
      // Without a place for the sender's address there is none for the key.
      if (!(await holders.takePlace(sender))) return undefined
      answer = await claim(newEpoch())
      await holders.made(sender)
    }
    const done = carriedOut(answer)
    if (typeof done === 'string') throw new Error(`a send was not begun: ${done}`)
    return done
  }

  /** As {@link Engine.repeated}. */
  async repeated(project: string, sender_id: string, key: string): Promise<Repeated | undefined> {
    const answer = await this.options.lanes.call({ project, client_id: sender_id }, lookCall(key))
    return typeof answer === 'object' && answer.known ? repeatedBy(answer.known) : undefined
  }

  /**
   * Stores a message for one recipient.
   *
   * @param attempts deliveries so far, of a letter that is requeued
   * @param mark of a send that must not be made twice
   * @param as a second call under the same name and number stores nothing
   */
  async store(
    project: string,
    message: StoredMessage,
    client_id: string,
    attempts: number,
    mark?: Mark,
    as?: As,
  ): Promise<Appended> {
    const { lanes, holders, usage, newEpoch } = this.options
    const address = { project, client_id }
    if (usage.lacks(message.bytes, project) && !(await usage.makeRoom(address, message.bytes)))
      return STORAGE_FULL
    const append = (epoch: string | undefined) =>
      as
        ? this.#appendAs(address, message, epoch, as)
        : lanes.append(address, { message, attempts, mark }, epoch)
    try {
      let answer = await append(undefined)
      if (answer === 'unknown') {
        if (!(await holders.takePlace(address))) return { outcome: 'too_many_clients' }
        answer = await append(newEpoch())
        if (typeof answer === 'object' && answer.made) await holders.made(address)
      }
      // Of a bounce: a later one is there, and so this one was.
      if (answer === 'stale' && as) return STORED.unknown
      const done = carriedOut(answer)
      if (typeof done === 'string') throw new Error(`a message was not stored: ${done}`)
      return this.#appended(project, done)
    } catch (error) {
      if (error instanceof RedisFailed && error.kind === 'full') return STORAGE_FULL
      throw error
    }
  }

  async #appendAs(
    address: Address,
    message: StoredMessage,
    epoch: string | undefined,
    as: As,
  ): Promise<Outcome | Refused> {
    const call = appendCall([{ message, attempts: 0 }], epoch)
    const answer = await this.options.lanes.call(address, call, as)
    return typeof answer === 'string' ? answer : { ...answer, outcome: answer.outcomes[0]! }
  }

  #appended(project: string, { outcome, due_ms, session_id, heard_ms, owned }: Outcome): Appended {
    const { limits, now } = this.options
    if (outcome === 'full') return { outcome, retry_after_ms: retryAfter(due_ms - now()) }
    if (outcome === 'too_large') return { outcome }
    if (session_id === undefined) return STORED[owned ? 'disconnected' : 'unknown']
    return STORED[sessionStatus({ last_seen_ms: heard_ms }, now(), limits(project))]
  }
}

/** The same message under another id, which is the first member of its JSON. */
function renamed(message: StoredMessage, message_id: string): StoredMessage {
  return { ...message, message_id, json: message.json.replace(message.message_id, message_id) }
}

function repeatedBy({ digest, sent }: Known): Repeated {
  return { outcome: 'repeated', first: sent, digest }
}

const STORAGE_FULL: Appended = {
  outcome: 'storage_full',
  retry_after_ms: retryAfter(Number.POSITIVE_INFINITY),
}

import { expect } from 'bun:test'
import type { Cursor } from '../../src/core/cursor.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts'
import type { AckMode, DeadLetter, Due, Take } from '../../src/core/mailbox/entry.ts'
import type { Position } from '../../src/core/mailbox/position.ts'
import { createMessage, type StoredMessage } from '../../src/core/message.ts'
import { messageIdFor } from '../../src/core/message-id.ts'
import type { Session, SessionEnd, SessionStatus } from '../../src/core/session.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type {
  Address,
  Announcement,
  Checkin,
  ClientState,
  ClientsPage,
  DeadFilter,
  Found,
  Opened,
  Read,
  Settle,
  Settled,
} from '../../src/engine/values.ts'
import { until } from '../harness.ts'
import { keyOf, type Outcome, outcomeOf, type Said } from './said.ts'

/** Makes an engine of a fresh, empty store. `now` is the test's clock, in milliseconds since the epoch. */
export type MakeEngine = (options: {
  limits: (project: string) => Limits
  now: () => number
}) => Engine | Promise<Engine>

export const PROJECT = 'p'
/** When a silent session counts as stale and as disconnected. */
const SILENCE = { stale_seconds: 30, disconnected_seconds: 60 }
export const EVERYTHING: Take = { limit: 10_000, bytes_max: Number.MAX_SAFE_INTEGER, ack: 'auto' }

/** An engine under test, with its clock and everything it has told. */
export class Rig implements AsyncDisposable {
  now = Date.UTC(2026, 0, 31, 12)
  readonly announced: Announcement[] = []
  readonly acknowledged: { client_id: string; message_id: string }[] = []
  readonly died: DeadLetter[] = []
  /** Ids of the dead whose bounces found room, and of the others. */
  readonly bounced = { stored: [] as string[], none: [] as string[] }
  /** Whether every message is to be announced. */
  wants_each = true
  /** Status changes and ends, as `client status`, in order. */
  readonly sessions: string[] = []

  private constructor(
    readonly engine: Engine,
    readonly limits: Limits,
    private readonly clock: { now: () => number },
  ) {}

  /**
   * @param limits that differ from the defaults, in every project
   * @param limits_of those of single projects besides
   */
  static async start(
    make: MakeEngine,
    limits: Partial<Limits> = {},
    limits_of: Readonly<Record<string, Partial<Limits>>> = {},
  ): Promise<Rig> {
    const clock = { now: () => 0 }
    const complete = { ...DEFAULT_LIMITS, ...SILENCE, ...limits }
    const engine = await make({
      limits: (project) => ({ ...complete, ...limits_of[project] }),
      now: () => clock.now(),
    })
    const rig = new Rig(engine, complete, clock)
    rig.clock.now = () => rig.now
    await engine.start({
      get wants_each() {
        return rig.wants_each
      },
      announced: (announcement) => void rig.announced.push(announcement),
      acknowledged: ({ client_id }, messages) => {
        for (const { message_id } of messages) rig.acknowledged.push({ client_id, message_id })
      },
      died: (letter: DeadLetter, bounced) => {
        rig.died.push(letter)
        rig.bounced[bounced ? 'stored' : 'none'].push(letter.message.message_id)
      },
      session: ({ client_id }: Session, status: SessionStatus | SessionEnd) =>
        void rig.sessions.push(`${client_id} ${status}`),
      record: () => undefined,
      missed: () => undefined,
    })
    return rig
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop()
  }

  at(client_id: string, project = PROJECT): Address {
    return { project, client_id }
  }

  message(said: Said = {}, recipient_id = 'r'): StoredMessage {
    return this.#message(said, recipient_id)
  }

  broadcast(said: Said = {}): StoredMessage {
    return this.#message(said, undefined)
  }

  #message(
    { sender_id = 'sender', bounces: _, ...content }: Said,
    recipient_id: string | undefined,
  ): StoredMessage {
    const { ttl_seconds } = this.limits
    const id = messageIdFor(Bun.randomUUIDv7(), recipient_id)
    return createMessage({ payload: 'x', ...content }, sender_id, recipient_id, id, this.now, ttl_seconds)
  }

  /** Sends one message, to one or to many. */
  async send(
    recipients: string | string[],
    said: Said = {},
    idempotency_key?: string,
    project = PROJECT,
  ): Promise<Outcome> {
    if (typeof recipients !== 'string') {
      const message = this.broadcast(said)
      return outcomeOf(
        await this.engine.appendToMany(project, [{ message, recipients }], keyOf(idempotency_key, said)),
      )
    }
    const message = said.bounces ? this.message(said, recipients) : this.broadcast(said)
    const appended = await this.engine.append(project, message, recipients, keyOf(idempotency_key, said))
    if (appended.outcome === 'repeated') return outcomeOf(appended)
    const { message_id, expires_ms } = message
    const sent = { message_id, expires_ms, recipients: [recipients], deliveries: [appended] }
    return { ...sent, broadcast: message.broadcast, repeated: false }
  }

  /** Sends messages with these payloads to one mailbox; they must all be stored. @returns their ids */
  async sendAll(client_id: string, payloads: readonly unknown[], said: Said = {}): Promise<string[]> {
    const ids: string[] = []
    for (const payload of payloads) {
      const outcome = await this.send(client_id, { ...said, payload })
      expect(outcome.deliveries.map((delivery) => delivery.outcome)).toEqual(['stored'])
      ids.push(outcome.message_id)
    }
    return ids
  }

  /** A read of pending messages. */
  async taken(client_id: string, take: Partial<Take> = {}): Promise<Read> {
    return held(await this.engine.read(this.at(client_id), undefined, { ...EVERYTHING, ...take }))
  }

  /** The payloads that a read of pending messages answers. */
  async take(client_id: string, take: Partial<Take> = {}): Promise<unknown[]> {
    return payloads((await this.taken(client_id, take)).due)
  }

  /** The ids and attempts that a read of pending messages under a lease answers. */
  async lease(client_id: string, take: Partial<Take> = {}): Promise<{ id: string; attempt: number }[]> {
    const { due } = await this.taken(client_id, { ack: 'manual', ...take })
    return due.map(({ message, attempt }) => ({ id: message.message_id, attempt }))
  }

  async open(client_id: string, after: Cursor | undefined, ack: AckMode): Promise<Reader> {
    return { ...held(await this.engine.open(this.at(client_id), after, ack, undefined)) }
  }

  /** What a reader is due; it moves on. */
  async read(client_id: string, reader: Reader, take: Partial<Take> = {}): Promise<readonly Due[]> {
    const { due, position } = await this.readOn(client_id, reader.position, take)
    reader.position = position!
    return due
  }

  async readOn(client_id: string, position: Position, take: Partial<Take> = {}): Promise<Read> {
    return held(await this.engine.read(this.at(client_id), position, { ...EVERYTHING, ...take }))
  }

  async settle(client_id: string, settle: Settle): Promise<Settled> {
    return held(await this.engine.settle(this.at(client_id), settle))
  }

  async client(client_id: string): Promise<ClientState | undefined> {
    return this.engine.client(PROJECT, { client_id })
  }

  async found(message_id: string): Promise<readonly Found[]> {
    return (await this.engine.find(PROJECT, message_id, { limit: 1000 })).items
  }

  /** All addresses, in order. */
  async clientIds(page: Partial<ClientsPage> = {}, project = PROJECT): Promise<string[]> {
    const all = { of: 'addresses', by: 'client_id', limit: 1000, ...page } as const
    return (await this.engine.clients(project, all)).items.map(({ client_id }) => client_id)
  }

  /** Ends the session that holds an address. */
  async end(client_id: string, end: SessionEnd = 'closed'): Promise<void> {
    const { session } = (await this.client(client_id))!
    await this.engine.end(this.at(client_id), session!.session_id, end)
  }

  /** A sign of life of the session that holds an address. */
  async heard(client_id: string): Promise<void> {
    const { session_id } = (await this.client(client_id))!.session!
    this.engine.heard([{ ...this.at(client_id), session_id, at_ms: this.now }])
  }

  /** Lets time pass, then has the engine do what is due. */
  async pass(seconds: number): Promise<void> {
    this.now += seconds * 1000
    await this.engine.sweep()
  }

  async checkin(client_id: string, how: Partial<Checkin> = {}) {
    return this.engine.checkin({
      project: PROJECT,
      client_id,
      resume: undefined,
      join: undefined,
      key_id: undefined,
      name: undefined,
      capabilities: undefined,
      ...how,
    })
  }

  /** A check-in that must succeed. */
  async checkedIn(client_id: string, how: Partial<Checkin> = {}) {
    const checked = await this.checkin(client_id, how)
    if (checked.outcome !== 'ok') throw new Error(`checkin of ${client_id}: ${checked.outcome}`)
    return checked
  }

  /** Waits until `what` is as expected, since an engine may tell things after it has answered. */
  async hears<T>(what: () => T, expected: T): Promise<void> {
    await until(
      'the engine to say it',
      () => (Bun.deepEquals(what(), expected) ? true : undefined),
      2000,
    ).catch(() => undefined)
    expect(what()).toEqual(expected)
  }

  /**
   * Checks that the engine counts the bytes of the messages in this mailbox and the dead letters, and no
   * others.
   */
  async expectBytesOf(client_id: string): Promise<void> {
    const { items: letters } = await this.engine.dead(PROJECT, {}, { limit: 10_000 })
    const { deliveries } = await this.engine.history(this.at(client_id), {}, 10_000, Number.MAX_SAFE_INTEGER)
    const bytes = [...letters, ...deliveries].reduce((sum, { message }) => sum + message.bytes, 0)
    expect((await this.engine.stats()).stored_bytes).toBe(bytes)
  }

  /** The sessions of a project, the latest heard first. @param senders include those that only ever sent */
  async sessionsOf(project = PROJECT, senders = true): Promise<readonly Session[]> {
    const page = { of: senders ? 'sessions' : 'readers', by: 'last_heard', limit: 1000 } as const
    return (await this.engine.clients(project, page)).items.map(({ session }) => session!)
  }

  /** Requeues dead letters until there is no more to do. */
  async requeue(filter: DeadFilter = {}) {
    const done = { requeued: [] as string[], refused: [] as string[] }
    for (let from: string | undefined, first = true; first || from; first = false) {
      const { requeued, refused, next } = await this.engine.requeue(PROJECT, filter, from)
      done.requeued.push(...requeued)
      done.refused.push(...refused)
      from = next
    }
    return done
  }

  /** The payloads of a project's dead letters with their reasons, newest first. */
  async dead(filter: DeadFilter = {}, limit = 1000): Promise<unknown[]> {
    const { items } = await this.engine.dead(PROJECT, filter, { limit })
    return items.map(({ message, reason }) => `${payloadOf(message)} ${reason}`)
  }
}

export function payloadOf(message: StoredMessage): unknown {
  return JSON.parse(message.json).payload
}

export function payloads(due: readonly { message: StoredMessage }[]): unknown[] {
  return due.map(({ message }) => payloadOf(message))
}

/** A subscription and where it has come. */
export type Reader = { -readonly [K in keyof Opened]: Opened[K] }

/** What came of a call that names no session, or one that holds the address. */
function held<T extends object>(answer: T | SessionEnd): T {
  if (typeof answer === 'string') throw new Error(`the session was ${answer}`)
  return answer
}

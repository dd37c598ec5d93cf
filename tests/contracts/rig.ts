import { expect } from 'bun:test'
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts'
import type { Due, Take } from '../../src/core/mailbox/entry.ts'
import { type Content, createMessage, type StoredMessage } from '../../src/core/message.ts'
import type { Session, SessionEnd, SessionStatus } from '../../src/core/session.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Address, Announcement, Checkin, IdempotencyKey, Opened, Repeated, RequeueNext, Sent } from '../../src/engine/values.ts'
import type { DeadLetter } from '../../src/core/mailbox/entry.ts'
import { until } from '../harness.ts'

/** Makes an engine of a fresh, empty store. `now` is the test's clock, in milliseconds since the epoch. */
export type MakeEngine = (options: { limits: Limits; now: () => number }) => Engine | Promise<Engine>

export const PROJECT = 'p'
/** When a silent session counts as stale and as disconnected. */
const SILENCE = { stale_seconds: 30, disconnected_seconds: 60 }
const EVERYTHING: Take = { limit: 10_000, bytes_max: Number.MAX_SAFE_INTEGER, ack: 'auto' }

/** What a message says, and who says it. */
export type Said = Content & { readonly sender_id?: string }

/** What came of a send; if its key was used before, what came of the first. */
export type Outcome = Omit<Sent, 'outcome'> & { readonly repeated: boolean; readonly digest?: string }

/** An idempotency key, with the payload as its digest. */
function keyOf(key: string | undefined, said: Said): IdempotencyKey | undefined {
  return key === undefined ? undefined : { key, digest: JSON.stringify(said.payload ?? null) }
}

function outcomeOf(sent: Sent | Repeated): Outcome {
  if (sent.outcome === 'repeated') {
    const { outcome: _, ...said } = sent.first
    return { ...said, repeated: true, digest: sent.digest }
  }
  const { outcome: _, ...said } = sent
  return { ...said, repeated: false }
}

/** An engine under test, with its clock and everything it has told. */
export class Rig implements AsyncDisposable {
  now = Date.UTC(2026, 0, 31, 12)
  readonly announced: Announcement[] = []
  readonly acknowledged: { client_id: string; message_id: string }[] = []
  readonly died: DeadLetter[] = []
  /** Stands for the broker's reaction to a death: called during the engine's own call. */
  onDied: (letter: DeadLetter) => void = () => undefined
  /** Whether every message is to be announced. */
  wants_each = true
  /** Status changes and ends, as `client status`, in order. */
  readonly sessions: string[] = []

  private constructor(
    readonly engine: Engine,
    readonly limits: Limits,
    private readonly clock: { now: () => number },
  ) {}

  static async start(make: MakeEngine, limits: Partial<Limits> = {}): Promise<Rig> {
    const clock = { now: () => 0 }
    const complete = { ...DEFAULT_LIMITS, ...SILENCE, ...limits }
    const engine = await make({ limits: complete, now: () => clock.now() })
    const rig = new Rig(engine, complete, clock)
    rig.clock.now = () => rig.now
    await engine.start({
      get wants_each() {
        return rig.wants_each
      },
      announced: (announcement) => void rig.announced.push(announcement),
      acknowledged: ({ client_id }, { message_id }) => void rig.acknowledged.push({ client_id, message_id }),
      died: (letter) => {
        rig.died.push(letter)
        rig.onDied(letter)
      },
      sessionChanged: ({ client_id }: Session, status: SessionStatus) =>
        void rig.sessions.push(`${client_id} ${status}`),
      sessionEnded: ({ client_id }: Session, end: SessionEnd) =>
        void rig.sessions.push(`${client_id} ${end}`),
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

  #message({ sender_id = 'sender', ...content }: Said, recipient_id: string | undefined): StoredMessage {
    const { ttl_seconds } = this.limits
    const id = Bun.randomUUIDv7()
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
        await this.engine.appendToMany(project, message, recipients, keyOf(idempotency_key, said)),
      )
    }
    const message = this.message(said, recipients)
    const appended = await this.engine.append(project, message, recipients, keyOf(idempotency_key, said))
    if (appended.outcome === 'repeated') return outcomeOf(appended)
    const { message_id, expires_ms } = message
    const sent = { message_id, expires_ms, recipients: [recipients], deliveries: [appended] }
    return { ...sent, broadcast: false, repeated: false }
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

  /** The payloads that a read of pending messages answers. */
  async take(client_id: string, take: Partial<Take> = {}): Promise<unknown[]> {
    const { deliveries } = await this.engine.take(this.at(client_id), { ...EVERYTHING, ...take })
    return deliveries.map(({ message }) => payloadOf(message))
  }

  /** The ids and attempts that a read of pending messages under a lease answers. */
  async lease(client_id: string, take: Partial<Take> = {}): Promise<{ id: string; attempt: number }[]> {
    const { deliveries } = await this.engine.take(this.at(client_id), {
      ...EVERYTHING,
      ack: 'manual',
      ...take,
    })
    return deliveries.map(({ message, attempt }) => ({ id: message.message_id, attempt }))
  }

  async read(client_id: string, { position }: Opened, take: Partial<Take> = {}): Promise<readonly Due[]> {
    return this.engine.read(this.at(client_id), position, { ...EVERYTHING, ...take })
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
    const { letters } = await this.engine.listDeadLetters(PROJECT, {}, 10_000)
    const { deliveries } = await this.engine.history(this.at(client_id), {}, 10_000, Number.MAX_SAFE_INTEGER)
    const bytes = [...letters, ...deliveries].reduce((sum, { message }) => sum + message.bytes, 0)
    expect((await this.engine.stats()).stored_bytes).toBe(bytes)
  }

  /** The sessions of a project, the latest heard first. @param senders include those that only ever sent */
  async sessionsOf(project = PROJECT, senders = true): Promise<readonly Session[]> {
    return (await this.engine.listSessions(project, { limit: 1000, senders })).sessions
  }

  /** Requeues dead letters until there is no more to do. */
  async requeue(filter: Parameters<Engine['requeue']>[1] = {}) {
    const done = { requeued: [] as string[], refused: [] as string[] }
    for (let from: RequeueNext | undefined, first = true; first || from; first = false) {
      const { requeued, refused, next } = await this.engine.requeue(PROJECT, filter, from)
      done.requeued.push(...requeued)
      done.refused.push(...refused)
      from = next
    }
    return done
  }

  /** The payloads of a project's dead letters with their reasons, newest first. */
  async dead(filter: Parameters<Engine['listDeadLetters']>[1] = {}, limit = 1000): Promise<unknown[]> {
    const { letters } = await this.engine.listDeadLetters(PROJECT, filter, limit)
    return letters.map(({ message, reason }) => `${payloadOf(message)} ${reason}`)
  }
}

export function payloadOf(message: StoredMessage): unknown {
  return JSON.parse(message.json).payload
}

export function payloads(due: readonly { message: StoredMessage }[]): unknown[] {
  return due.map(({ message }) => payloadOf(message))
}

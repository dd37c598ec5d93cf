import { StorageFailed } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Dead, Entry } from '../../core/mailbox/entry.ts'
import { Staged } from '../../core/mailbox/staged.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import { BROKER_CLIENT_ID, type StoredMessage } from '../../core/message.ts'
import { type Appended, type IdempotencyKey, type Repeated, type Sent, STORED } from '../values.ts'
import type { Client } from './client.ts'
import type { Clients } from './clients.ts'
import type { DeadLetters, Numbered } from './dead-letters.ts'
import { dropsOldest, retryAfter } from './overflow.ts'

/** What one commit makes visible, or what is undone when it fails. */
class Batch {
  /** The recipient of each append, in the order of the appends. */
  readonly recipients: Client[] = []
  /** Takes back what the appends did besides. */
  readonly undo: (() => void)[] = []
  /** The sends with an idempotency key. */
  readonly keyed: Sent[] = []
  /** Batches with a call that was answered from one of `keyed`: they fail if this one does. */
  readonly followers: Batch[] = []
  doomed = false
}

export interface StagingOptions {
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /**
   * Writes what was done since the last flush. Absent: there is nothing to write, and an append is visible
   * at once.
   */
  readonly commit?: (() => MaybePromise<void>) | undefined
}

/** What staging asks of its engine. */
export interface StagingEngine {
  /** Brings a mailbox to `now`. */
  advance(client: Client, now: number): void
  /** A message became pending. @param dropped what had to make room for it */
  published(client: Client, entry: Entry, dropped: readonly Dead[]): void
  /** Stores the bounces of what died. */
  buryAll(): void
}

/**
 * Keeps appends back until they are committed. One commit runs at a time; what is staged meanwhile is the
 * next batch. When a commit fails, the appends of its batch are undone, except bounces, which go with the
 * next one: nobody would send them again.
 */
export class Staging {
  #batch = new Batch()
  /** Batches given to `flush` and not settled yet, oldest first. */
  readonly #flushed: Batch[] = []
  /** Resolves when the last of these is settled; undefined while there is none. Never rejects. */
  #settled: Promise<void> | undefined

  private constructor(
    private readonly commit: () => MaybePromise<void>,
    private readonly options: StagingOptions,
    private readonly clients: Clients,
    private readonly engine: StagingEngine,
  ) {}

  /** @returns undefined when there is nothing to commit to */
  static of(options: StagingOptions, clients: Clients, engine: StagingEngine): Staging | undefined {
    return options.commit && new Staging(options.commit, options, clients, engine)
  }

  /**
   * Stages a message; it counts against the bounds of its mailbox at once. A bounce is not undone when the
   * commit fails.
   *
   * @param attempts deliveries so far, for a message that is requeued; undefined for a new one
   */
  append(client: Client, message: StoredMessage, now: number, attempts: number | undefined): Appended {
    const limits = this.options.limits(client.project)
    const { mailbox } = client
    // Whoever requeues a bounce hears of a failure.
    const kept = attempts === undefined && message.sender_id === BROKER_CLIENT_ID
    client.staged ??= new Staged(mailbox, this.clients.project(client.project).meter)
    let staged = client.staged.stage(message, limits, false, kept, attempts)
    if (staged === 'full') {
      this.engine.advance(client, now)
      staged = client.staged.stage(message, limits, dropsOldest(message, limits), kept, attempts)
    }
    if (staged === 'full') return { outcome: 'full', retry_after_ms: retryAfter(mailbox.next_due_ms - now) }
    if (staged === 'too_large') return { outcome: 'too_large' }
    this.#batch.recipients.push(client)
    return STORED[client.status(now, limits)]
  }

  /** Has the idempotency key of a send forgotten if its appends are undone. */
  keyed(project: string, sender_id: string, { key }: IdempotencyKey, sent: Sent): void {
    this.#batch.keyed.push(sent)
    this.#batch.undo.push(() => this.clients.forgetKey(project, sender_id, key, sent))
  }

  /** Notes that a call is answered from an earlier send: if that is undone, this call has failed as well. */
  repeated(repeated: Repeated): Repeated {
    const batch = this.#flushed.find(({ keyed }) => keyed.includes(repeated.first))
    batch?.followers.push(this.#batch)
    return repeated
  }

  /** Has drained dead letters put back if their appends are undone. */
  drained(project: string, dead: DeadLetters, letters: readonly Numbered[]): void {
    this.#batch.undo.push(() => dead.putBack(letters, this.options.limits(project)))
  }

  /** As {@link Engine.flush}. @throws StorageFailed */
  flush(): MaybePromise<void> {
    const batch = this.#batch
    this.#batch = new Batch()
    this.#flushed.push(batch)
    if (!this.#settled) {
      const done = this.#commit(batch)
      if (!(done instanceof Promise)) return
      return this.#tail(done)
    }
    return this.#tail(this.#settled.then(() => this.#commit(batch)))
  }

  /** Makes `done` what the next flush waits for. */
  #tail(done: Promise<void>): Promise<void> {
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (this.#settled === settled) this.#settled = undefined
      })
    this.#settled = settled
    return done
  }

  /** @throws StorageFailed */
  #commit(batch: Batch): MaybePromise<void> {
    if (batch.doomed) return this.#fail(batch, 'what it repeats was not stored')
    let done: MaybePromise<void>
    try {
      done = this.commit()
    } catch (error) {
      return this.#fail(batch, error)
    }
    if (!(done instanceof Promise)) return this.#publish(batch)
    return done.then(
      () => this.#publish(batch),
      (error) => this.#fail(batch, error),
    )
  }

  #publish({ recipients }: Batch): void {
    this.#flushed.shift()
    for (const client of recipients) {
      const dropped: Dead[] = []
      const entry = client.staged!.commit(this.options.limits(client.project), dropped)
      this.clients.schedule(client, client.mailbox.next_due_ms)
      this.engine.published(client, entry, dropped)
    }
    this.engine.buryAll()
  }

  #fail({ recipients, undo, followers }: Batch, cause: unknown): never {
    this.#flushed.shift()
    const counts = new Map<Client, number>()
    for (const client of recipients) counts.set(client, (counts.get(client) ?? 0) + 1)
    const kept: Client[] = []
    for (const [client, count] of counts) {
      for (let stays = client.staged!.undo(count); stays > 0; stays--) kept.push(client)
      // The address may have been made for a message that is gone again.
      this.clients.schedule(client, this.options.now())
    }
    // They are the oldest of their mailboxes, so they are committed first.
    const next = this.#flushed[0] ?? this.#batch
    next.recipients.unshift(...kept)
    for (const undoOne of undo) undoOne()
    for (const follower of followers) follower.doomed = true
    throw new StorageFailed('what was sent could not be stored', { cause })
  }
}

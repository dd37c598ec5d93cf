import { StorageFailed } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Dead, Entry } from '../../core/mailbox/entry.ts'
import { Staged, type StagedMessage } from '../../core/mailbox/staged.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import { BROKER_CLIENT_ID, type StoredMessage } from '../../core/message.ts'
import { type Appended, type Repeated, STORED } from '../values.ts'
import type { Client, Remembered } from './client.ts'
import type { Clients } from './clients.ts'
import type { DeadLetters, Numbered } from './dead-letters.ts'
import { dropsOldest, retryAfter } from './overflow.ts'

/** What one commit has to store. The appends in it are undone when it fails. */
export interface Batch {
  /** In the order of the calls, those for one mailbox in rising order of offset. */
  readonly appends: readonly { readonly client: Client; readonly staged: StagedMessage }[]
  /** The sends with an idempotency key, each in the place where it is kept. */
  readonly keyed: readonly { readonly sender: Client; readonly key: string; readonly kept: Remembered }[]
  /** Dead letters that were taken out, and are in `appends` again. */
  readonly drained: readonly { readonly project: string; readonly letters: readonly Numbered[] }[]
}

/** A batch that is being gathered, or settled. */
class OpenBatch implements Batch {
  readonly appends: { client: Client; staged: StagedMessage }[] = []
  readonly keyed: { sender: Client; key: string; kept: Remembered }[] = []
  readonly drained: { project: string; letters: readonly Numbered[]; dead: DeadLetters }[] = []
  /** Batches with a call that was answered from one of `keyed`: they fail if this one does. */
  readonly followers: OpenBatch[] = []
  doomed = false
}

export interface StagingOptions {
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /**
   * Writes what was done since the last flush: the batch, and all else that has changed. Absent: there is
   * nothing to write, and an append is visible at once.
   */
  readonly commit?: ((batch: Batch) => MaybePromise<void>) | undefined
  /**
   * Whether what is appended now could not be committed: `full`, there is no room, or an error that says why
   * not. Absent: never.
   */
  readonly refuses?: (() => 'full' | StorageFailed | undefined) | undefined
}

/** What staging asks of its engine. */
export interface StagingEngine {
  /** Brings a mailbox to `now`. */
  advance(client: Client, now: number): void
  /** A message became pending. @param dropped what had to make room for it */
  published(client: Client, entry: Entry, dropped: readonly Dead[]): void
  /** A bounce is staged, which is not undone. */
  kept(client: Client, staged: StagedMessage): void
  /** Stores the bounces of what died. */
  buryAll(): void
}

/**
 * Keeps appends back until they are committed. One commit runs at a time; what is staged meanwhile is the
 * next batch. When a commit fails, the appends of its batch are undone, except bounces, which go with the
 * next one: nobody would send them again.
 */
export class Staging {
  #batch = new OpenBatch()
  /** Batches given to `flush` and not settled yet, oldest first. */
  readonly #flushed: OpenBatch[] = []
  /** Resolves when the last of these is settled; undefined while there is none. Never rejects. */
  #settled: Promise<void> | undefined

  private constructor(
    private readonly commit: (batch: Batch) => MaybePromise<void>,
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
    this.#batch.appends.push({ client, staged })
    if (kept) this.engine.kept(client, staged)
    return STORED[client.status(now, limits)]
  }

  /** No commit is under way, no dead letter is taken out that may be put back, and no bounce is left over. */
  get idle(): boolean {
    const { appends, drained } = this.#batch
    return this.#flushed.length === 0 && drained.length === 0 && !appends[0]?.staged.kept
  }

  /** Has the idempotency key of a send forgotten if its appends are undone. */
  keyed(sender: Client, key: string, kept: Remembered): void {
    this.#batch.keyed.push({ sender, key, kept })
  }

  /** Notes that a call is answered from an earlier send: if that is undone, this call has failed as well. */
  repeated(repeated: Repeated): Repeated {
    const batch = this.#flushed.find(({ keyed }) => keyed.some(({ kept }) => kept.first === repeated.first))
    batch?.followers.push(this.#batch)
    return repeated
  }

  /** Has drained dead letters put back if their appends are undone. */
  drained(project: string, dead: DeadLetters, letters: readonly Numbered[]): void {
    this.#batch.drained.push({ project, dead, letters })
  }

  /** As {@link Engine.flush}. @throws StorageFailed */
  flush(): MaybePromise<void> {
    const batch = this.#batch
    this.#batch = new OpenBatch()
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
  #commit(batch: OpenBatch): MaybePromise<void> {
    if (batch.doomed) return this.#fail(batch, 'what it repeats was not stored')
    let done: MaybePromise<void>
    try {
      done = this.commit(batch)
    } catch (error) {
      return this.#fail(batch, error)
    }
    if (!(done instanceof Promise)) return this.#publish(batch)
    return done.then(
      () => this.#publish(batch),
      (error) => this.#fail(batch, error),
    )
  }

  #publish({ appends }: OpenBatch): void {
    this.#flushed.shift()
    for (const { client } of appends) {
      const dropped: Dead[] = []
      const entry = client.staged!.commit(this.options.limits(client.project), dropped)
      this.clients.schedule(client, client.mailbox.next_due_ms)
      this.engine.published(client, entry, dropped)
    }
    this.engine.buryAll()
  }

  #fail({ appends, keyed, drained, followers }: OpenBatch, cause: unknown): never {
    this.#flushed.shift()
    const counts = new Map<Client, number>()
    for (const { client } of appends) counts.set(client, (counts.get(client) ?? 0) + 1)
    const kept: { client: Client; staged: StagedMessage }[] = []
    for (const [client, count] of counts) {
      for (const staged of client.staged!.undo(count)) kept.push({ client, staged })
      // The address may have been made for a message that is gone again.
      this.clients.schedule(client, this.options.now())
    }
    // They are the oldest of their mailboxes, so they are committed first.
    const next = this.#flushed[0] ?? this.#batch
    next.appends.unshift(...kept)
    for (const { sender, key, kept } of keyed) this.clients.forgetKey(sender, key, kept)
    for (const { project, dead, letters } of drained) dead.putBack(letters, this.options.limits(project))
    for (const follower of followers) follower.doomed = true
    throw new StorageFailed('what was sent could not be stored', { cause })
  }
}

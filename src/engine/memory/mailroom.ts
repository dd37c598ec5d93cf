import { bounceOf } from '../../core/bounce.ts'
import type { Limits } from '../../core/limits.ts'
import type { Dead, DeadLetter, Entry, Fallen } from '../../core/mailbox/entry.ts'
import type { StagedMessage } from '../../core/mailbox/staged.ts'
import type { StoredMessage } from '../../core/message.ts'
import type { EngineEvents } from '../engine.ts'
import { type Appended, STORED } from '../values.ts'
import type { Client } from './client.ts'
import type { Clients } from './clients.ts'
import type { Effects } from './effects.ts'
import { appendOverOldest, retryAfter } from './overflow.ts'
import { PROBE } from './probe.ts'
import { Staging, type StagingOptions } from './staging.ts'

/** What happens to messages: they are stored and announced, come back, die and bounce. */
export class Mailroom {
  /** Set by the engine's `start`. */
  events!: EngineEvents
  /** Id of the probe that was announced last. */
  probed: string | undefined
  /** Deaths whose bounces are not stored yet, and whether they are being stored. */
  readonly #deaths: DeadLetter[] = []
  #burying = false

  /** Undefined where appends are visible at once. */
  readonly staging: Staging | undefined

  constructor(
    private readonly clients: Clients,
    private readonly options: StagingOptions,
    private readonly effects?: Effects | undefined,
  ) {
    this.staging = Staging.of(options, clients, this)
  }

  /**
   * @param attempts deliveries so far, for a message that is requeued; undefined for a new one
   * @throws StorageFailed
   */
  store(
    project: string,
    client_id: string,
    message: StoredMessage,
    now: number,
    attempts?: number,
  ): Appended {
    const refused = this.options.refuses?.()
    if (refused === 'full') return STORAGE_FULL
    if (refused) throw refused
    const limits = this.options.limits(project)
    const { bytes } = message
    if (this.clients.lacks(bytes, limits) && !this.clients.makeRoom(bytes, { project, client_id }, limits))
      return STORAGE_FULL
    const client = this.clients.open(project, client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    const appended =
      this.staging && project !== PROBE.project
        ? this.staging.append(client, message, now, attempts)
        : this.#append(client, message, limits, now, attempts)
    // The address may have been made for this message: then it is forgotten at once.
    if (appended.outcome === 'too_large') this.clients.schedule(client, now)
    if (this.#deaths.length > 0) this.buryAll()
    return appended
  }

  #append(client: Client, message: StoredMessage, limits: Limits, now: number, attempts = 0): Appended {
    const { mailbox } = client
    let stored = mailbox.append(message, limits, attempts)
    if (stored === 'full') {
      this.advance(client, now)
      stored = mailbox.append(message, limits, attempts)
    }
    let dropped: Dead[] | undefined
    if (stored === 'full') {
      dropped = []
      stored = appendOverOldest(mailbox, message, limits, dropped, attempts)
    }
    if (stored === 'too_large') return { outcome: 'too_large' }
    if (stored === 'full') return { outcome: 'full', retry_after_ms: retryAfter(mailbox.next_due_ms - now) }
    this.clients.schedule(client, mailbox.next_due_ms)
    this.published(client, stored, dropped)
    return STORED[client.status(now, limits)]
  }

  /** A message became pending. @param dropped what had to make room for it; their bounces come later */
  published(client: Client, entry: Entry, dropped: readonly Dead[] | undefined): void {
    this.#announce(client, entry, false, client.mailbox.changes)
    // Only now: a bounce into this very mailbox must not take the room that was made.
    if (dropped) for (const dead of dropped) this.#died(client, dead, this.options.now())
  }

  kept(client: Client, staged: StagedMessage): void {
    this.effects?.bounced(client, staged)
  }

  /** Makes pending again what a session that has ended had leased. */
  giveBack(client: Client): void {
    const now = this.options.now()
    this.advance(client, now)
    this.fell(client, { dead: [], released: client.mailbox.giveBack() }, now)
    this.buryAll()
  }

  advance(client: Client, now: number): void {
    const fallen = client.mailbox.advance(now, this.options.limits(client.project))
    if (fallen) this.fell(client, fallen, now)
  }

  fell(client: Client, fallen: Fallen, now: number): void {
    for (const dead of fallen.dead) this.#died(client, dead, now)
    // They have become pending one after the other.
    let changes = client.mailbox.changes - fallen.released.length
    for (const entry of fallen.released) this.#announce(client, entry, true, ++changes)
    this.clients.schedule(client, client.mailbox.next_due_ms)
  }

  #died(client: Client, dead: Dead, now: number): void {
    const { project, client_id, mailbox } = client
    const { epoch } = mailbox
    const letter: DeadLetter = { ...dead, project, recipient_id: client_id, epoch, dead_ms: now }
    const numbered = this.clients.project(project).dead.add(letter, this.options.limits(project))
    this.effects?.died(client, numbered)
    this.#deaths.push(letter)
  }

  /**
   * Stores the bounces of those that have died in this call. Not as each dies: a bounce may find others dead
   * in its own mailbox, whose bounces may find others, and so on.
   */
  buryAll(): void {
    if (this.#burying || this.#deaths.length === 0) return
    this.#burying = true
    try {
      for (let letter = this.#deaths.shift(); letter; letter = this.#deaths.shift()) {
        const bounce = bounceOf(letter, sha256)
        const { project, message } = letter
        const bounced =
          bounce !== undefined &&
          !this.options.refuses?.() &&
          this.store(project, message.sender_id, bounce, this.options.now()).outcome === 'stored'
        this.events.died(letter, bounced)
      }
    } finally {
      this.#burying = false
    }
  }

  #announce(client: Client, entry: Entry, redelivery: boolean, changes: number): void {
    const { project, client_id, mailbox } = client
    const { message, offset } = entry
    if (project === PROBE.project) {
      this.probed = message.message_id
      return
    }
    // A reader that was told before reads everything that has come since.
    if (client.announced && !redelivery && !this.events.wants_each) return
    client.announced = true
    const { epoch } = mailbox
    const { message_id, sender_id, in_reply_to, rank } = message
    this.events.announced({
      project,
      client_id,
      epoch,
      offset,
      changes,
      redelivery,
      message_id,
      sender_id,
      in_reply_to,
      rank,
    })
  }
}

const STORAGE_FULL: Appended = {
  outcome: 'storage_full',
  retry_after_ms: retryAfter(Number.POSITIVE_INFINITY),
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

import type { Acked } from '../../../core/mailbox/entry.ts'
import type { Session, SessionEnd, SessionStatus } from '../../../core/session.ts'
import type { EngineEvents } from '../../engine.ts'
import type { Address } from '../../values.ts'
import { mailboxChannel, mailboxKeys } from '../mailbox/keys.ts'
import { readAnnouncements } from '../mailbox/text.ts'
import { type Command, tagPart } from '../script.ts'

export interface FanOutOptions {
  readonly command: Command
  /** Of all keys and channels. */
  readonly prefix: string
  readonly publish: () => 'PUBLISH' | 'SPUBLISH'
  /** Names this process: what it published itself it has told already. */
  readonly instance: string
  /** Subscribes a channel, or ends that. */
  readonly listen: (channel: string, on: boolean) => void
  readonly events: () => EngineEvents
  readonly report: (trouble: unknown) => void
}

/** An address that is followed here. */
interface Followed {
  readonly address: Address
  /** The newest change of its mailbox that was told here; undefined until one is known of. */
  changes: number | undefined
  /** A change that the server had when it was looked at last and that was not told; it may be on its way. */
  untold: number
}

/**
 * What instances tell each other. What a process did itself it tells its broker at once; others hear of it on
 * a channel. On the channel of a mailbox: announcements, and acknowledgements of what its client sent. On
 * that of a project: what becomes of its sessions. On one for all: changes of records. What is lost there is
 * found by {@link FanOut.check}.
 *
 * A text begins with the instance and what it is: the epoch of announcements, or a word with "!".
 */
export class FanOut {
  /** By channel of the mailbox. */
  readonly #followed = new Map<string, Followed>()
  /** How many addresses of a project are followed. */
  readonly #projects = new Map<string, number>()

  constructor(private readonly options: FanOutOptions) {
    options.listen(this.#records, true)
  }

  /** As {@link Engine.follow}. */
  follow(address: Address, on: boolean): void {
    const channel = mailboxChannel(this.options.prefix, address)
    if (this.#followed.has(channel) === on) return
    if (on) this.#followed.set(channel, { address, changes: undefined, untold: 0 })
    else this.#followed.delete(channel)
    this.options.listen(channel, on)
    const count = (this.#projects.get(address.project) ?? 0) + (on ? 1 : -1)
    if (count === 0) this.#projects.delete(address.project)
    else this.#projects.set(address.project, count)
    if (count === (on ? 1 : 0)) this.options.listen(this.#sessions(address.project), on)
  }

  /** A reader began that knows of all changes up to this one: from here on none may be missed. */
  began(address: Address, changes: number): void {
    const followed = this.#followed.get(mailboxChannel(this.options.prefix, address))
    if (followed) followed.changes ??= changes
  }

  /** Tells the broker here what a call of this process announced. */
  announce(address: Address, published: string): void {
    const followed = this.#followed.get(mailboxChannel(this.options.prefix, address))
    for (const announcement of readAnnouncements(published, address)) {
      if (followed && announcement.changes > (followed.changes ?? 0)) followed.changes = announcement.changes
      this.options.events().announced(announcement)
    }
  }

  /** Tells all of messages that were acknowledged. */
  acknowledged(address: Address, messages: readonly Acked[]): void {
    this.options.events().acknowledged(address, messages)
    const ids = new Map<string, string[]>()
    for (const { sender_id, message_id } of messages) {
      const of = ids.get(sender_id)
      if (of) of.push(message_id)
      else ids.set(sender_id, [message_id])
    }
    const { project, client_id } = address
    for (const [sender_id, some] of ids)
      this.#publish(
        mailboxChannel(this.options.prefix, { project, client_id: sender_id }),
        `!acknowledged\n${client_id} ${sender_id} ${some.join(' ')}`,
      )
  }

  /** Tells all what became of a session. */
  session(session: Session, status: SessionStatus | SessionEnd): void {
    this.options.events().session(session, status)
    this.#publish(this.#sessions(session.project), `!session\n${JSON.stringify({ session, status })}`)
  }

  /** Tells all of the change of a record. */
  record(kind: string, project: string, id: string, version: number): void {
    this.options.events().record(kind, project, id, version)
    this.#publish(this.#records, `!record\n${JSON.stringify([kind, project, id, version])}`)
  }

  #publish(channel: string, text: string): void {
    const { command, publish, instance, report } = this.options
    command(publish(), channel, `${instance} ${text}`).catch(report)
  }

  /** A text was published on a channel that is listened to. */
  received(channel: string, text: string): void {
    const space = text.indexOf(' ')
    if (text.slice(0, space) === this.options.instance) return
    const end = text.indexOf('\n')
    const kind = text.slice(space + 1, end)
    const body = text.slice(end + 1)
    if (!kind.startsWith('!')) {
      const address = this.#followed.get(channel)?.address
      if (address) this.announce(address, text)
    } else if (kind === '!acknowledged') this.#receivedAcknowledged(channel, body)
    else if (kind === '!session') {
      const { session, status } = JSON.parse(body) as { session: Session; status: SessionStatus }
      this.options.events().session(session, status)
    } else if (kind === '!record')
      this.options.events().record(...(JSON.parse(body) as [string, string, string, number]))
  }

  #receivedAcknowledged(channel: string, body: string): void {
    const sender = this.#followed.get(channel)?.address
    if (!sender) return
    const [client_id = '', sender_id = '', ...ids] = body.split(' ')
    const messages = ids.map((message_id) => ({ message_id, sender_id }))
    this.options.events().acknowledged({ project: sender.project, client_id }, messages)
  }

  /**
   * Looks whether something was announced at a followed mailbox that has not been told here. To be called
   * about once a second: what is missed is found by the second call.
   */
  async check(): Promise<void> {
    const all = [...this.#followed.values()]
    const found = await Promise.all(
      all.map(({ address }) =>
        this.options.command('HGET', mailboxKeys(this.options.prefix, address)[0]!, 'changes'),
      ),
    )
    let missed = false
    for (const [i, followed] of all.entries()) {
      const changes = Number(found[i] ?? 0)
      followed.changes ??= changes
      if (followed.untold > followed.changes) {
        missed = true
        followed.changes = changes
      }
      followed.untold = changes
    }
    if (missed) this.options.events().missed()
  }

  #sessions(project: string): string {
    return `${this.options.prefix}{${tagPart(project)}:sessions}`
  }

  get #records(): string {
    return `${this.options.prefix}{records}`
  }
}

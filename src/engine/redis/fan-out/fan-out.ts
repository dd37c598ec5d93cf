import type { Acked, DeadLetter, DeadReason } from '../../../core/mailbox/entry.ts'
import { BROKER_CLIENT_ID } from '../../../core/message.ts'
import type { Session, SessionEnd, SessionStatus } from '../../../core/session.ts'
import type { EngineEvents } from '../../engine.ts'
import type { Address, Latest } from '../../values.ts'
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

/**
 * What instances tell each other. What a process did itself it tells its broker at once; others hear of it on
 * a channel. On the channel of a mailbox: announcements, and what became of messages that its client sent. On
 * that of a project: what becomes of its sessions. On one for all: changes of records. What is lost there is
 * found by {@link FanOut.latest}.
 *
 * A text begins with the instance and what it is: the epoch of announcements, or a word with "!".
 */
export class FanOut {
  /** The addresses that are followed here, by channel of the mailbox. */
  readonly #followed = new Map<string, Address>()
  /** How many addresses of a project are followed. */
  readonly #projects = new Map<string, number>()

  constructor(private readonly options: FanOutOptions) {
    options.listen(this.#records, true)
  }

  /** As {@link Engine.follow}. */
  follow(address: Address, on: boolean): void {
    const channel = mailboxChannel(this.options.prefix, address)
    if (this.#followed.has(channel) === on) return
    if (on) this.#followed.set(channel, address)
    else this.#followed.delete(channel)
    this.options.listen(channel, on)
    const count = (this.#projects.get(address.project) ?? 0) + (on ? 1 : -1)
    if (count === 0) this.#projects.delete(address.project)
    else this.#projects.set(address.project, count)
    if (count === (on ? 1 : 0)) this.options.listen(this.#sessions(address.project), on)
  }

  /** Tells the broker here what a call announced. @param elsewhere another process made the call */
  announce(address: Address, published: string, elsewhere = false): void {
    for (const announcement of readAnnouncements(published, address))
      this.options.events().announced(announcement, elsewhere)
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

  /** Tells all of a message that has died. */
  died(letter: DeadLetter, bounced: boolean): void {
    this.options.events().died(letter, bounced)
    const { project, recipient_id, reason, message } = letter
    if (message.sender_id === BROKER_CLIENT_ID) return
    this.#publish(
      mailboxChannel(this.options.prefix, { project, client_id: message.sender_id }),
      `!died\n${message.message_id} ${recipient_id} ${reason} ${Number(bounced)}`,
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
      const address = this.#followed.get(channel)
      if (address) this.announce(address, text, true)
    } else if (kind === '!acknowledged') this.#receivedAcknowledged(channel, body)
    else if (kind === '!died') this.#receivedDied(channel, body)
    else if (kind === '!session') {
      const { session, status } = JSON.parse(body) as { session: Session; status: SessionStatus }
      this.options.events().session(session, status)
    } else if (kind === '!record')
      this.options.events().record(...(JSON.parse(body) as [string, string, string, number]))
  }

  #receivedAcknowledged(channel: string, body: string): void {
    const sender = this.#followed.get(channel)
    if (!sender) return
    const [client_id = '', sender_id = '', ...ids] = body.split(' ')
    const messages = ids.map((message_id) => ({ message_id, sender_id }))
    this.options.events().acknowledged({ project: sender.project, client_id }, messages, true)
  }

  #receivedDied(channel: string, body: string): void {
    const sender = this.#followed.get(channel)
    if (!sender) return
    const { project, client_id: sender_id } = sender
    const [message_id = '', recipient_id = '', reason, bounced] = body.split(' ')
    const message = { message_id, sender_id }
    const death = { project, recipient_id, reason: reason as DeadReason, message }
    this.options.events().died(death, bounced === '1', true)
  }

  /** As {@link Engine.latest}. One command for each: a script for many costs the server twice as much. */
  latest(addresses: readonly Address[]): Promise<Latest[]> {
    const { prefix, command } = this.options
    const asked = addresses.map(async (address): Promise<Latest> => {
      const state = mailboxKeys(prefix, address)[0]!
      const answer = await command('HMGET', state, 'epoch', 'changes', 'session')
      const [epoch, changes, session_id] = answer as (string | null)[]
      return { epoch: epoch ?? '0', changes: Number(changes), session_id: session_id || undefined }
    })
    return Promise.all(asked)
  }

  #sessions(project: string): string {
    return `${this.options.prefix}{${tagPart(project)}:sessions}`
  }

  get #records(): string {
    return `${this.options.prefix}{records}`
  }
}

import type { Message } from '../../../src/core/message.ts'
import { newIdentity } from '../identity.ts'
import type { Cluster } from './cluster.ts'
import { Crashed } from './instance.ts'

/** A client without a connection: it polls its mailbox and asks questions, each call at any instance. */
export class MailClient {
  /** Since when a call of it waits for mail, in milliseconds since the epoch. */
  polls_ms: number | undefined
  /** How many questions wait for their replies. */
  asking = 0

  constructor(
    private readonly cluster: Cluster,
    readonly client_id: string,
    private readonly ack: 'auto' | 'manual',
  ) {}

  /** Whether it would read what comes. */
  get reads(): boolean {
    return this.polls_ms !== undefined
  }

  async poll(wait_seconds: number): Promise<void> {
    // What a poll takes from a question that waits is no loss, and would look like one.
    if (this.reads || this.asking > 0) return
    const { cluster, client_id, ack } = this
    const instance = cluster.someUp()
    this.polls_ms = cluster.schedule.now
    try {
      const input = { client_id, ack, wait_seconds, limit: cluster.random.between(1, 10) }
      const answer = await cluster.command(instance, newIdentity(), 'get_messages', input)
      const { messages } = answer as { messages: Message[] }
      if (messages.length > 0 && cluster.schedule.now - this.polls_ms > 2000) cluster.rare.took('poll woken')
      for (const message of messages) cluster.came(client_id, message)
      this.polls_ms = undefined
      if (ack === 'auto' || messages.length === 0) return
      const message_ids = messages.map(({ message_id }) => message_id)
      await cluster.command(cluster.someUp(), newIdentity(), 'ack_messages', { client_id, message_ids })
    } catch (error) {
      if (error instanceof Crashed && ack === 'auto' && cluster.ground.crash_takes)
        cluster.truth.mayBeTaken(client_id)
      cluster.expects(error)
    } finally {
      this.polls_ms = undefined
    }
  }

  /** Asks a question and waits for the reply. */
  async ask(recipient_id: string, timeout: number): Promise<void> {
    const { cluster, client_id } = this
    const instance = cluster.someUp()
    const question = cluster.newQuestion(client_id)
    this.asking++
    const input = { sender_id: client_id, recipient_id, payload: question.payload, timeout, ...LONG_LIVED }
    try {
      const answer = await cluster.command(instance, newIdentity(), 'send_message_and_wait', input)
      const { reply } = answer as { reply?: Message }
      if (reply) cluster.replied(client_id, reply)
    } catch (error) {
      // A reply that was taken for this call may be lost with it.
      question.failed = true
      cluster.expects(error)
    } finally {
      this.asking--
      question.over = true
    }
  }
}

/** Of messages that have to come. */
export const LONG_LIVED = { ttl_seconds: 1_000_000 }

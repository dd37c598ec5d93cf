import { Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import type { Delivery, Take } from '../../core/mailbox/entry.ts'
import { BROKER_CLIENT_ID, type Message, parseMessage } from '../../core/message.ts'
import type { Address } from '../../engine/engine.ts'
import type { Broker } from '../broker.ts'
import { appendsStored, defineCommand } from '../command.ts'
import { sessionToWaitIn, stillIn } from '../waiters.ts'
import { deliveryStatus } from './reading.ts'
import { closed, MessageSchema, messagesText, WAIT_SECONDS_DEFAULT } from './schema.ts'
import { compose, type DirectReceipt, directInput, directReceipt, send } from './sending.ts'

/** The reply to a message, if it is in the mailbox already. */
async function waitingReply(broker: Broker, own: Address, message_id: string): Promise<Delivery | undefined> {
  const look: Take = {
    limit: broker.limits.mailbox_messages_max,
    bytes_max: broker.limits.mailbox_bytes_max,
    ack: 'none',
  }
  const { deliveries } = await broker.engine.take(own, look)
  return deliveries.find(({ message }) => message.in_reply_to === message_id)
}

/**
 * The status of a question when its sender stops waiting.
 *
 * @param replied whether the recipient has replied, so that it must have read the question
 */
async function statusOf(
  broker: Broker,
  { project }: Identity,
  message_id: string,
  recipient_id: string,
  replied: boolean,
): Promise<DirectReceipt['status']> {
  const [found] = await broker.engine.find(project, message_id, recipient_id)
  const status = found && deliveryStatus(found).status
  if (status === 'acknowledged') return status
  return replied || (found?.attempts ?? 0) > 0 ? 'delivered' : 'queued'
}

export const sendMessageAndWait = defineCommand({
  name: 'send_message_and_wait',
  title: 'Ask and wait',
  summary: 'Send a message and wait for the reply.',
  description:
    'That is the message whose in_reply_to names this one, else the next from that recipient; ' +
    'a late one is in your mailbox.',
  input: closed({
    ...directInput,
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 3600,
        description: `seconds to wait (${WAIT_SECONDS_DEFAULT}); stay below your client's own limit`,
      }),
    ),
  }),
  output: Type.Object({
    ...directReceipt,
    timed_out: Type.Boolean(),
    reply: Type.Optional(MessageSchema),
  }),
  scope: 'write',
  caller: 'sender_id',
  http: { method: 'POST', path: '/v1/messages/wait' },
  hints: { read_only: false, destructive: false, idempotent: false },
  waits: 'timeout',
  waits_unasked: true,
  async run(broker, identity, input, { signal }) {
    const session = sessionToWaitIn(identity)
    const sender_id = await broker.sender(identity, input.sender_id)
    const recipient_id = await broker.recipient(identity.project, input.recipient_id)
    const message = compose(broker, input, sender_id, recipient_id)
    const own = { project: identity.project, client_id: sender_id }
    let asked_id = message.message_id
    // The wait begins before the send, so that no reply comes too early. It ends when the send fails.
    const over = new AbortController()
    const giveUp = signal ? AbortSignal.any([signal, over.signal]) : over.signal
    const reply = broker.waiters.wait(
      own,
      (input.timeout ?? WAIT_SECONDS_DEFAULT) * 1000,
      giveUp,
      ({ message: other, redelivery }) => {
        // The question itself.
        if (other.message_id === asked_id) return undefined
        if (other.in_reply_to === asked_id) return 'exact'
        // A redelivered message is older than the question, so it does not answer it.
        const next = other.sender_id === recipient_id && other.in_reply_to === undefined && !redelivery
        return next ? 'any' : undefined
      },
      session,
    )
    try {
      const receipt = await send(broker, identity, message, recipient_id, input)
      await appendsStored(broker)
      asked_id = receipt.message_id
      const asked_before = asked_id !== message.message_id
      // When the question was asked before, its reply may have come since.
      const answered = (asked_before && (await waitingReply(broker, own, asked_id))) || (await reply)
      stillIn(session, ` The question, ${asked_id}, has been sent.`)
      const answer = signal?.aborted ? undefined : answered
      // A bounce ends the wait too, but it comes from the broker and not from the recipient.
      const replied = answer !== undefined && answer.message.sender_id !== BROKER_CLIENT_ID
      // Acknowledged now, so that the reply is not read from the mailbox too.
      if (answer) await broker.engine.settle(own, { message_ids: [answer.message.message_id] })
      const status = await statusOf(broker, identity, asked_id, recipient_id, replied)
      if (!answer) return { ...receipt, status, timed_out: true }
      broker.counters.delivered++
      return { ...receipt, status, timed_out: false, reply: parseMessage(answer.message, answer.attempt) }
    } finally {
      over.abort()
    }
  },
  text: ({ message_id, timed_out, reply, warnings }, now) =>
    timed_out
      ? [
          `No reply to \`${message_id}\` yet. A later one will be in your mailbox: get_messages.`,
          ...warnings,
        ].join('\n')
      : messagesText([reply as Message], now),
})

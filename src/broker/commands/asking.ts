import { Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import type { Take } from '../../core/mailbox/entry.ts'
import { BROKER_CLIENT_ID, type Message, parseMessage } from '../../core/message.ts'
import type { Address, Announcement, Found, Repeated } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { appendsStored, defineCommand } from '../command.ts'
import { stillIn, unlessEnded } from '../ended.ts'
import type { Prepared } from '../protocols/sending/prepared.ts'
import { recipientOf } from '../recipient.ts'
import { sessionToWaitIn, type Woken } from '../waiters.ts'
import { checkContent } from './content.ts'
import { deliveryStatus } from './reading.ts'
import { type DirectReceipt, directReceipt } from './receipts.ts'
import { closed, MessageSchema, messagesText, sentence, WAIT_SECONDS_DEFAULT } from './schema.ts'
import { directInput, prepare, send } from './sending.ts'

/** What may be a reply, and how often it has been delivered. */
type Reply = Pick<Found, 'message' | 'attempts'>

/** The reply to a message, if it is in the mailbox already. */
async function waitingReply(broker: Broker, own: Address, message_id: string): Promise<Reply | undefined> {
  const look: Take = {
    limit: broker.limits.mailbox_messages_max,
    bytes_max: broker.limits.mailbox_bytes_max,
    ack: 'none',
  }
  const { due } = unlessEnded(await broker.engine.read(own, undefined, look))
  const found = due.find(({ message }) => message.in_reply_to === message_id)
  return found && { message: found.message, attempts: found.attempt }
}

/** The message that was announced, if it is still there. */
async function announcedMessage(
  broker: Broker,
  { project, client_id: recipient_id }: Address,
  { message_id }: Announcement,
): Promise<Reply | undefined> {
  const { items } = await broker.engine.find(project, message_id, { recipient_id, limit: 1 })
  return items.find(({ state, message }) => typeof state === 'number' && message.expires_ms > broker.now())
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
  const { items } = await broker.engine.find(project, message_id, { recipient_id, limit: 1 })
  const found = items[0]
  const status = found && deliveryStatus(found).status
  if (status === 'acknowledged') return status
  return replied || (found?.attempts ?? 0) > 0 ? 'delivered' : 'queued'
}

function sentAlready(message_id: string): string {
  return ` The question, ${message_id}, has been sent.`
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
    // Not waited for where they are known at once: a later send of the caller must not come before this one.
    const sender = broker.sender(identity, input.sender_id)
    const sender_id = typeof sender === 'string' ? sender : await sender
    const recipient = recipientOf(broker.engine, identity.project, input.recipient_id)
    const recipient_id = typeof recipient === 'string' ? recipient : await recipient
    checkContent(broker, input)
    const { project } = identity
    const own = { project, client_id: sender_id }
    let asked_id = ''
    // Ends the wait when the send fails.
    const over = new AbortController()
    const giveUp = signal ? AbortSignal.any([signal, over.signal]) : over.signal
    const until_ms = broker.now() + (input.timeout ?? WAIT_SECONDS_DEFAULT) * 1000
    const wait = (goes_on: boolean) => {
      // A send that was checked for longer than its time leaves none.
      const left_ms = Math.max(0, until_ms - broker.now())
      return broker.waiters.wait(own, left_ms, giveUp, fits, session, goes_on)
    }
    const fits = ({ message_id, sender_id: from, in_reply_to, redelivery }: Announcement) => {
      // The question itself.
      if (message_id === asked_id) return undefined
      if (in_reply_to === asked_id) return 'exact'
      // A redelivered message is older than the question, so it does not answer it.
      return from === recipient_id && in_reply_to === undefined && !redelivery ? 'any' : undefined
    }
    /** Acknowledges what may be the reply, so that it is not read from the mailbox too. */
    const take = async ({ message }: Reply) => {
      const { message_id, in_reply_to } = message
      const settle = { session_id: session?.session_id, message_ids: [message_id] }
      const { settled } = unlessEnded(await broker.engine.settle(own, settle))
      // Another call or reader was first: only a reply to this very question is the caller's all the same.
      return settled > 0 || in_reply_to === asked_id
    }
    const answerOf = async (woken: Woken) => {
      const found =
        woken === 'missed'
          ? await waitingReply(broker, own, asked_id)
          : await announcedMessage(broker, own, woken)
      return found && (await take(found)) ? found : undefined
    }
    let waiting: ReturnType<typeof wait> | undefined
    /** The wait begins before the send, so that no reply comes too early. */
    const ask = (prepared: Prepared | Repeated) => {
      if ('message' in prepared) asked_id = prepared.message.message_id
      waiting = wait(false)
      return send(broker, project, prepared, recipient_id, input)
    }
    // Between two waits, too: what is known of the mailbox would be forgotten.
    broker.following.enter(own)
    try {
      const prepared = prepare(broker, project, input, sender_id, recipient_id, 'request_response')
      const receipt = await broker.protocols.inOrder(project, sender_id, prepared, ask)
      await appendsStored(broker)
      const asked_before = receipt.message_id !== asked_id
      asked_id = receipt.message_id
      // When the question was asked before, its reply may have come since.
      let answer = asked_before ? await answerOf('missed') : undefined
      while (!answer) {
        const woken = await waiting
        stillIn(session, sentAlready(asked_id))
        if (!woken || signal?.aborted) break
        // The reply may come while the engine is asked about another message.
        waiting = wait(true)
        answer = await answerOf(woken)
        // Between what woke the call and the wait after it, another announcement may have come.
        if (!answer && woken !== 'missed') answer = await answerOf('missed')
      }
      stillIn(session, sentAlready(asked_id))
      // A bounce ends the wait too, but it comes from the broker and not from the recipient.
      const replied = answer !== undefined && answer.message.sender_id !== BROKER_CLIENT_ID
      const status = await statusOf(broker, identity, asked_id, recipient_id, replied)
      if (!answer) return { ...receipt, status, timed_out: true }
      broker.counters.delivered++
      return {
        ...receipt,
        status,
        timed_out: false,
        reply: parseMessage(answer.message, answer.attempts + 1),
      }
    } finally {
      over.abort()
      broker.following.leave(own)
      // What has woken this call and was not looked at is for others that wait.
      void waiting?.then((unused) => {
        if (unused && unused !== 'missed') broker.waiters.announced(unused)
      })
    }
  },
  text: ({ message_id, timed_out, reply, warnings }, now) =>
    timed_out
      ? [
          `No reply to \`${message_id}\` yet. A later one will be in your mailbox: get_messages.`,
          ...warnings.map(sentence),
        ].join('\n')
      : messagesText([reply as Message], now),
})

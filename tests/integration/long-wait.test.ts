import { expect, test } from 'bun:test'
import { startBroker } from '../harness.ts'
import { agent, outputOf } from '../transports/mcp/client.ts'
import { openStream } from '../transports/sse/reader.ts'
import { WsClient } from '../ws-client.ts'

const QUIET_SECONDS = 90

test(
  `a wait of ${QUIET_SECONDS} s survives at every door with nothing else on the wire`,
  async () => {
    await using broker = await startBroker()
    await using legacy = await agent('2025', broker, 'mcp-2025')
    await using modern = await agent('2026', broker, 'mcp-2026')
    const socket = await WsClient.checkedIn(broker.url, 'ws')
    const stream = await openStream(broker.url, 'sse')
    await stream.next('recovery')

    const wait = { wait_seconds: QUIET_SECONDS + 30 }
    const ask = {
      recipient_id: 'nobody',
      message: 'are you there?',
      timeout: QUIET_SECONDS + 30,
      ttl_seconds: 600,
    }
    const patient = { timeout: (QUIET_SECONDS + 60) * 1000 }
    const reads = [
      legacy.call('get_messages', wait, patient).then(outputOf),
      modern.call('get_messages', wait, patient).then(outputOf),
      socket.call('get_messages', wait),
      fetch(`${broker.url}/v1/mailboxes/http/messages?wait_seconds=${wait.wait_seconds}`).then((answer) =>
        answer.json(),
      ),
    ]
    const asks = [
      legacy.call('send_message_and_wait', ask, patient).then(outputOf),
      modern.call('send_message_and_wait', ask, patient).then(outputOf),
      socket.call('send_message_and_wait', ask),
    ]
    // Neither the call nor the client says how long: the broker's default ends before the client's.
    const undecided = [legacy, modern].map((client) =>
      client
        .call('send_message_and_wait', { recipient_id: 'nobody-else', message: 'and you?' })
        .then(outputOf),
    )
    await Bun.sleep(QUIET_SECONDS * 1000)

    const nobody = await WsClient.checkedIn(broker.url, 'nobody')
    const { messages } = await nobody.call<{ messages: { message_id: string; sender_id: string }[] }>(
      'get_messages',
    )
    expect(messages.length).toBe(3)
    for (const { message_id, sender_id } of messages)
      await nobody.call('send_message', { recipient_id: sender_id, message: 'yes', in_reply_to: message_id })
    for (const recipient_id of ['mcp-2025', 'mcp-2026', 'ws', 'http', 'sse'])
      await nobody.call('send_message', { recipient_id, message: 'mail' })

    for (const answer of await Promise.all(asks))
      expect(answer).toMatchObject({ timed_out: false, reply: { payload: 'yes' } })
    for (const answer of await Promise.all(undecided)) expect(answer).toMatchObject({ timed_out: true })
    for (const answer of await Promise.all(reads))
      expect(answer).toMatchObject({ messages: [{ payload: 'mail' }] })
    expect((await stream.next('message')).json).toMatchObject({ message: { payload: 'mail' } })
    stream.close()
  },
  (QUIET_SECONDS + 30) * 1000,
)

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { startBroker } from '../harness.ts'
import { WsClient } from '../ws-client.ts'
import { type Draft, type SuiteGroup, suiteCases } from './json-schema-suite.ts'

/** Requests in one frame: so many may wait for the validation worker. */
const BATCH = 30
/** What a send by a registered protocol may answer, and whether the payload fitted. */
const FITTED: Readonly<Record<string, boolean>> = { sent: true, payload_invalid: false }
/** Payloads that no message may have, whatever its schema. */
const NO_MESSAGE = ['nesting_too_deep', 'invalid_params']

let broker: Awaited<ReturnType<typeof startBroker>>
let client: WsClient
beforeAll(async () => {
  broker = await startBroker({ mailbox_messages_max: 10_000 })
  client = await WsClient.checkedIn(broker.url, 'tester')
  await WsClient.checkedIn(broker.url, 'sink')
})
afterAll(async () => {
  client.close()
  await broker[Symbol.asyncDispose]()
})

/** Calls a method many times, in frames of many requests. @returns each one's error code, or `sent` */
async function callAll(method: string, params: readonly object[]): Promise<string[]> {
  const answers: string[] = []
  for (let at = 0; at < params.length; at += BATCH) {
    const frame = params
      .slice(at, at + BATCH)
      .map((params, n) => ({ jsonrpc: '2.0', id: `${method} ${at + n}`, method, params }))
    const answered = frame.map(({ id }) => client.answer(id))
    client.send(frame)
    for (const { error } of await Promise.all(answered)) answers.push(error?.data.code ?? 'sent')
  }
  return answers
}

const nameOf = (draft: Draft, n: number) => `suite_${draft === 'draft-07' ? 7 : 2020}_${n}x`

test.each(['draft-07', '2020-12'] as const)(
  'the official suite of %s through the registry and sends',
  async (draft) => {
    const groups: SuiteGroup[] = suiteCases(draft)
    const registered = await callAll(
      'register_protocol',
      groups.map(({ schema }, n) => ({ name: nameOf(draft, n), version: '1.0.0', schema })),
    )
    expect(registered.filter((code) => code !== 'sent')).toEqual([])
    const cases = groups.flatMap(({ name, cases }, n) => cases.map((one) => ({ ...one, name, n })))
    const answers = await callAll(
      'send_message',
      cases.map(({ n, data }) => ({
        recipient_id: 'sink',
        protocol_name: nameOf(draft, n),
        protocol_version: '1.0.0',
        payload: data,
      })),
    )
    const wrong = cases.flatMap(({ name, description, valid }, at) => {
      const code = answers[at]!
      return FITTED[code] === valid || NO_MESSAGE.includes(code) ? [] : [`${name}: ${description}: ${code}`]
    })
    expect(wrong).toEqual([])
    const left_out = answers.filter((code) => NO_MESSAGE.includes(code)).length
    expect(left_out).toBeLessThan(cases.length / 100)
  },
  30_000,
)

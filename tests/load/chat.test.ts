import { expect, test } from 'bun:test'
import { chatJson, chatRequest } from '../../load/chat.ts'
import { payloadJson } from '../../load/open-loop.ts'
import { CHAT } from '../../src/core/protocol/ready/chat.ts'
import { admitSchema } from '../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../src/core/protocol/schema/checker.ts'

test('a chat payload fits its protocol, carries number and time, and is as long as one without a protocol', () => {
  const { check } = compileSchema(admitSchema(CHAT.schema))
  for (const chars of [1, 200]) {
    const payload = JSON.parse(chatJson(7, 12.5, chars))
    expect(payload).toMatchObject({ data: { n: 7, t: 12.5 } })
    expect(check(payload)).toBe(true)
  }
  expect(chatJson(7, 12.5)).toHaveLength(payloadJson(7, 12.5).length)
})

test('a request names the version of the ready protocol', () => {
  expect(JSON.parse(chatRequest('r', chatJson(1, 0)))).toMatchObject({
    method: 'send_message',
    params: { recipient_id: 'r', protocol_name: CHAT.name, protocol_version: CHAT.version },
  })
})

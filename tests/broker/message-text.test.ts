import { expect, test } from 'bun:test'
import { messagesText } from '../../src/broker/commands/schema.ts'
import type { Message } from '../../src/core/message.ts'

const NOW = Date.UTC(2026, 0, 31, 12)
const MESSAGE: Message = {
  message_id: 'm',
  sender_id: 'alice',
  payload: 'hello',
  sent_at: new Date(NOW).toISOString(),
  protocol_name: 'chat',
  protocol_version: '2.0.0',
}

test('a message that was adapted says from which version', () => {
  const adapted_from = { version: '1.2.0', steps: ['1.2.0→2.0.0'] }
  expect(messagesText([MESSAGE, { ...MESSAGE, adapted_from }], NOW)).toBe(
    [
      '**From alice** (just now, protocol chat 2.0.0), id `m`\n> hello',
      '**From alice** (just now, protocol chat 2.0.0, adapted from 1.2.0), id `m`\n> hello',
    ].join('\n\n'),
  )
})

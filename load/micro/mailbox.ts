import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { Mailbox } from '../../src/core/mailbox/mailbox.ts'
import { createMessage, type StoredMessage } from '../../src/core/message.ts'
import type { Micro } from './bench.ts'

const MESSAGES = 256

/** One mailbox: a burst is appended, leased and acknowledged, over history that is full. */
export const mailbox: Micro = {
  name: 'mailbox: append, lease, ack',
  item: 'message',
  items: MESSAGES,
  prepare() {
    const box = new Mailbox('micro00000', { engine: { bytes: 0 }, histories: new Set() })
    let position = box.open(0)
    const all = { limit: MESSAGES, bytes_max: Number.POSITIVE_INFINITY, ack: 'manual' } as const
    return () => {
      const now = Date.now()
      for (let i = 0; i < MESSAGES; i++) box.append(message(now), DEFAULT_LIMITS)
      const read = box.read(position, all, now, DEFAULT_LIMITS)
      position = read.position
      if (read.due.length < MESSAGES) throw new Error('the mailbox is full')
      const entries = box.entries.of(read.due)
      for (const entry of entries) box.ack(entry, now, DEFAULT_LIMITS)
    }
  },
}

/** The stored form of a message of 200 bytes, its id included. */
export const encode: Micro = {
  name: 'encode a message',
  item: 'message',
  items: MESSAGES,
  prepare: () => () => {
    const now = Date.now()
    for (let i = 0; i < MESSAGES; i++) newMessage(now)
  },
}

const PAYLOAD = { n: 1, t: 1, pad: 'x'.repeat(175) }

function newMessage(now: number): StoredMessage {
  return createMessage({ payload: PAYLOAD }, 'source-1', 'sink-1', Bun.randomUUIDv7(), now, 300)
}

const MADE = newMessage(0)
let count = 0

/** A message that costs next to nothing to make, with an id that rises as those of UUIDv7 do. */
function message(now: number): StoredMessage {
  const message_id = String(++count).padStart(36, '0')
  return { ...MADE, message_id, sent_ms: now, expires_ms: now + MADE.ttl_ms }
}

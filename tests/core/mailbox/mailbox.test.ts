import { describe, expect, spyOn, test } from 'bun:test'
import fc from 'fast-check'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import type { Entry } from '../../../src/core/mailbox/entry.ts'
import { Mailbox } from '../../../src/core/mailbox/mailbox.ts'
import type { Rank, StoredMessage } from '../../../src/core/message.ts'
import { check } from '../property.ts'
import { histories, smallLimits } from './mailbox-histories.ts'
import { ALL, World } from './mailbox-world.ts'

const PATIENCE_MS = 60_000

describe('a mailbox does what its model says', () => {
  test(
    'with one priority in play',
    () => {
      check(4000, fc.tuple(smallLimits, histories(1), fc.boolean()), ([limits, steps, ids_rise]) =>
        new World(limits, true, ids_rise).run(steps),
      )
    },
    PATIENCE_MS,
  )

  test(
    'with all four',
    () => {
      check(4000, fc.tuple(smallLimits, histories(0, 1, 2, 3), fc.boolean()), ([limits, steps, ids_rise]) =>
        new World(limits, false, ids_rise).run(steps),
      )
    },
    PATIENCE_MS,
  )
})

describe('a mailbox gives memory back', () => {
  const limits = {
    ...DEFAULT_LIMITS,
    mailbox_messages_max: 20_000,
    history_messages_max: 100,
    attempts_max: 1000,
  }

  function message(n: number, ttl_ms = 300_000): StoredMessage {
    return {
      message_id: `m${n}`,
      sender_id: 's',
      in_reply_to: undefined,
      rank: 1,
      broadcast: false,
      sent_ms: 0,
      expires_ms: ttl_ms,
      ttl_ms,
      json: JSON.stringify({ message_id: `m${n}` }),
      bytes: 2,
    }
  }

  function filled(count: number): Mailbox {
    const mailbox = new Mailbox('e', { engine: { bytes: 0 }, histories: new Set() })
    for (let n = 1; n <= count; n++) mailbox.append(message(n), limits)
    return mailbox
  }

  test('after a burst that was read: what is left fits the history', () => {
    const mailbox = filled(16_384)
    expect(mailbox.footprint).toBe(16_384)
    mailbox.take({ ...ALL, ack: 'auto' }, 0, limits)
    mailbox.advance(19, limits)
    expect(mailbox.retained).toBe(16_384)
    mailbox.advance(20, limits)
    expect(mailbox.retained).toBe(100)
    expect(mailbox.footprint).toBeLessThanOrEqual(512)
  })

  test('after a burst that expired: nothing is held', () => {
    const mailbox = filled(16_384)
    expect(mailbox.advance(300_000, limits)?.dead.length).toBe(16_384)
    expect(mailbox.footprint).toBeLessThanOrEqual(80)
  })

  test('behind a message that nobody acknowledges: the holes are closed', () => {
    const mailbox = filled(1)
    for (let n = 2; n <= 50_000; n++) {
      const entry = mailbox.append(message(n), limits) as Entry
      mailbox.ack(entry, n, limits)
    }
    expect(mailbox.advance(60_000, limits)).toBeUndefined()
    expect(mailbox.retained).toBe(101)
    expect(mailbox.entries.find('m1')?.offset).toBe(1)
    expect(mailbox.footprint).toBeLessThanOrEqual(512)
    expect(mailbox.advance(299_999, limits)).toBeUndefined()
    expect(mailbox.advance(300_000, limits)?.dead.length).toBe(1)
    expect(mailbox.retained).toBe(0)
  })

  test('from leases begun anew, however often a reader resumes', () => {
    const mailbox = filled(10)
    mailbox.take({ ...ALL, ack: 'manual' }, 0, limits)
    for (let now = 1; now <= 5000; now += 0.25)
      mailbox.read(mailbox.open(0), { ...ALL, ack: 'manual' }, Math.floor(now), limits)
    expect(mailbox.entries.of([{ offset: 1, attempt: 19_998 }])[0]?.attempts).toBe(19_998)
    expect(mailbox.footprint).toBeLessThanOrEqual(16)
    expect(mailbox.advance(64_999, limits)).toBeUndefined()
    expect(mailbox.advance(65_000, limits)?.released.length).toBe(10)
  })
})

test('history is read from its text once for each message, whatever priorities are in play', () => {
  const mailbox = new Mailbox('e', { engine: { bytes: 0 }, histories: new Set() })
  const limits = DEFAULT_LIMITS
  const count = 300
  for (let n = 1; n <= count; n++) {
    const message_id = `m${String(n).padStart(4, '0')}`
    const rank = n <= 3 ? ((n - 1) as Rank) : 3
    const json = JSON.stringify({
      message_id,
      sender_id: 's',
      payload: 1,
      sent_at: new Date(0).toISOString(),
    })
    const expires_ms = 300_000
    mailbox.append(
      {
        message_id,
        sender_id: 's',
        in_reply_to: undefined,
        rank,
        broadcast: false,
        sent_ms: 0,
        expires_ms,
        ttl_ms: expires_ms,
        json,
        bytes: json.length,
      },
      limits,
    )
  }
  const take = { limit: count, bytes_max: 1_000_000 }
  expect(mailbox.take({ ...take, ack: 'auto' }, 0, limits)).toHaveLength(count)
  const position = mailbox.open(0)
  using parse = spyOn(JSON, 'parse')
  expect(mailbox.read(position, { ...take, ack: 'none' }, 0, limits).due).toHaveLength(count)
  expect(parse).toHaveBeenCalledTimes(count)
})

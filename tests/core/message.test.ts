import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type Content,
  createMessage,
  formatTime,
  idInJson,
  type Message,
  messageJson,
  PRIORITIES,
  parseMessage,
  renewMessage,
  rewriteMessage,
} from '../../src/core/message.ts'
import { check } from './property.ts'

const TTL_DEFAULT = 300
const NOW = Date.UTC(2026, 0, 31, 12)

/** Any JSON, with the texts and names that break careless encoders. */
const evil = fc.oneof(
  fc.string({ unit: fc.constantFrom('\ud800', '\udfff', '"', '\\', '\u2028', '}', '\u0000', 'a') }),
  fc.constantFrom('__proto__', 'constructor', ',"attempt":9}'),
)
const payload = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.jsonValue(),
    evil,
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .array(fc.tuple(evil, tie('value')), { maxLength: 3 })
      .map((members) =>
        JSON.parse(`{${members.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)}}`),
      ),
  ),
})).value

const content: fc.Arbitrary<Content> = fc
  .tuple(
    fc.oneof(fc.record({ payload }), fc.record({ message: evil })),
    fc.record(
      {
        priority: fc.constantFrom(...PRIORITIES),
        ttl_seconds: fc.oneof(fc.constant(TTL_DEFAULT), fc.integer({ min: 1, max: 10_000 })),
        headers: fc.dictionary(evil, evil, { maxKeys: 4, noNullPrototype: true }),
        in_reply_to: evil,
        protocol_name: evil,
        protocol_version: evil,
        adapted_from: fc.record({ version: evil, steps: fc.array(evil, { maxLength: 3 }) }),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([said, more]) => ({ ...said, ...more }))

const draft = fc.record({
  content,
  sender_id: fc.string({ minLength: 1 }),
  recipient_id: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
})
interface Draft {
  readonly content: Content
  readonly sender_id: string
  readonly recipient_id: string | undefined
}

function encode({ content, sender_id, recipient_id }: Draft) {
  return createMessage(content, sender_id, recipient_id, 'id-1', NOW, TTL_DEFAULT)
}

describe('a stored message', () => {
  test('says all that its draft says, and nothing that is default', () => {
    check(3000, draft, (draft) => {
      const stored = encode(draft)
      const wire = parseMessage(stored, 1)
      const { content, sender_id, recipient_id } = draft
      const { message, payload, priority = 'normal', ttl_seconds = TTL_DEFAULT, ...more } = content
      const { adapted_from, ...same } = more
      const expires_ms = NOW + ttl_seconds * 1000
      const expected = {
        message_id: 'id-1',
        sender_id,
        payload: message ?? payload,
        sent_at: '2026-01-31T12:00:00.000Z',
        ...(recipient_id === undefined ? { broadcast: true } : { recipient_id }),
        ...(priority === 'normal' ? {} : { priority }),
        ...(ttl_seconds === TTL_DEFAULT ? {} : { expires_at: new Date(expires_ms).toISOString() }),
        ...same,
        ...(adapted_from && content.protocol_version !== undefined ? { adapted_from } : {}),
      }
      // Compared as text: a comparison of objects does not see members called __proto__.
      expect(sorted(wire)).toBe(sorted(expected))
      expect(stored.expires_ms).toBe(expires_ms)
      expect(PRIORITIES[stored.rank]).toBe(priority)
      expect(stored.bytes).toBe(stored.json.length)
      expect(stored.broadcast).toBe(recipient_id === undefined)
    })
  })

  test('is well-formed Unicode on the wire whatever it holds', () => {
    check(1000, draft, (draft) => {
      expect(encode(draft).json.isWellFormed()).toBeTrue()
    })
  })

  test('carries its attempt from the second delivery on, and is otherwise the same', () => {
    check(2000, fc.tuple(draft, fc.integer({ min: 0, max: 99 })), ([draft, attempt]) => {
      const stored = encode(draft)
      const again = JSON.parse(messageJson(stored, attempt)) as Message
      expect(again.attempt).toBe(attempt > 1 ? attempt : undefined)
      const { attempt: _, ...rest } = again
      expect(sorted(rest)).toBe(sorted(JSON.parse(stored.json)))
      expect(sorted(parseMessage(stored, attempt))).toBe(sorted(again))
    })
  })

  test('taken back from the dead letters lives as long as at first, and says until when', () => {
    check(
      1000,
      fc.tuple(draft, fc.array(fc.integer({ min: 1, max: 10_000_000 }), { maxLength: 4 })),
      ([draft, waits]) => {
        const first = encode(draft)
        let message = first
        let now = NOW
        for (const wait of waits) {
          now += wait
          message = renewMessage(message, now)
          expect(message.expires_ms).toBe(now + (draft.content.ttl_seconds ?? TTL_DEFAULT) * 1000)
          const { expires_at, ...wire } = parseMessage(message, 1)
          expect(expires_at).toBe(new Date(message.expires_ms).toISOString())
          const { expires_at: _, ...original } = parseMessage(first, 1)
          expect(sorted(wire)).toBe(sorted(original))
          expect(message.bytes).toBe(message.json.length)
          expect(message.sent_ms).toBe(NOW)
        }
      },
    )
  })
})

test('a message that is rewritten differs in its payload, its version and what it was adapted from', () => {
  const version = fc.string({ minLength: 1 })
  const changes = fc.record({
    payload,
    protocol_version: version,
    adapted_from: fc.record({ version, steps: fc.array(version, { maxLength: 3 }) }),
  })
  check(2000, fc.tuple(draft, fc.array(changes, { minLength: 1, maxLength: 3 })), ([draft, all]) => {
    const first = encode(draft)
    const { json, bytes, ...kept } = all.reduce(rewriteMessage, first)
    const { json: json_before, bytes: _, ...kept_before } = first
    expect(kept).toEqual(kept_before)
    expect(bytes).toBe(json.length)
    expect(idInJson(json)).toBe('id-1')
    expect(sorted(JSON.parse(json))).toBe(sorted({ ...JSON.parse(json_before), ...all.at(-1) }))
  })
})

test('times are RFC 3339 with milliseconds, also when they repeat', () => {
  check(1000, fc.array(fc.integer({ min: 0, max: 4e12 }), { maxLength: 4 }), (times) => {
    for (const ms of [...times, ...times]) expect(formatTime(ms)).toBe(new Date(ms).toISOString())
  })
})

/** JSON with the members of every object in one order. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([k, v]) => `${JSON.stringify(k)}:${sorted(v)}`).join()}}`
}

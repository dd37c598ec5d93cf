import { describe, expect, test } from 'bun:test'
import { Ledger, type Status } from './ledger.ts'

const MAILBOXES = ['manual', 'cursor', 'answer', 'pong', 'none'] as const
type Mailbox = (typeof MAILBOXES)[number]

/** A ledger with one message, which was accepted. */
function withOne(to: Mailbox, expires = false) {
  const ledger = new Ledger(MAILBOXES.map((name) => [name, name]))
  const line = ledger.sending('k', 'me', to, expires)
  ledger.accepted(line, receipt())
  return { ledger, line, come: (attempt: number, id = 'm') => ledger.delivered(to, message(id, attempt)) }
}

const receipt = (message_id = 'm', expires_at = 'then') => ({ message_id, expires_at, stored: 'disk' })
const message = (message_id: string, attempt: number, key = 'k') => ({
  message_id,
  sender_id: 'me',
  payload: { key },
  ...(attempt === 1 ? {} : { attempt }),
})
const settle = (ledger: Ledger, status: Status) => {
  ledger.settle(new Map([['m', status]]), 'disk')
  return ledger.violations
}

describe('a ledger has nothing against', () => {
  test('repeats until the acknowledgement, and the same receipt again', () => {
    for (const to of ['manual', 'cursor'] as const) {
      const { ledger, line, come } = withOne(to)
      come(1)
      ledger.acknowledging([line])
      ledger.nextRun()
      come(3)
      ledger.accepted(line, receipt())
      ledger.acknowledged([line])
      expect(settle(ledger, 'acknowledged')).toEqual([])
      expect(ledger.counts).toMatchObject({
        receipts: 1,
        repeated_receipts: 1,
        deliveries: 2,
        redeliveries: 1,
      })
    }
  })

  test('a message in an answer that was lost, and one that its sender was told of before its reader', () => {
    const { ledger } = withOne('answer')
    ledger.lostAnswer('answer', 1)
    expect(settle(ledger, 'acknowledged')).toEqual([])
    const early = withOne('answer')
    early.ledger.told('m')
    early.come(1)
    early.ledger.acknowledged([early.line])
    expect(settle(early.ledger, 'acknowledged')).toEqual([])
  })

  test('what was acknowledged coming once more after a cursor', () => {
    const { ledger, line, come } = withOne('cursor')
    come(1)
    ledger.acknowledging([line])
    ledger.told('m')
    ledger.nextRun()
    come(2)
    expect(settle(ledger, 'acknowledged')).toEqual([])
  })

  test('a death with its bounce', () => {
    const { ledger } = withOne('none', true)
    ledger.bounced('me', { message_id: 'b', sender_id: 'broker', payload: {}, in_reply_to: 'm' })
    expect(settle(ledger, 'dead_lettered')).toEqual([])
  })
})

type One = ReturnType<typeof withOne>
test.each<[string, Mailbox, (one: One) => void, Status]>([
  ['was accepted, and is lost', 'manual', () => {}, undefined],
  ['is queued at the end', 'manual', () => {}, 'queued'],
  ['is dead_lettered at the end', 'manual', () => {}, 'dead_lettered'],
  [
    'got another receipt',
    'none',
    ({ ledger, line }) => ledger.accepted(line, receipt('m', 'later')),
    'acknowledged',
  ],
  ['stored twice', 'none', ({ ledger, line }) => ledger.accepted(line, receipt('m2')), 'acknowledged'],
  ['stored twice', 'answer', ({ come }) => come(1, 'm2'), 'acknowledged'],
  [
    'after it was acknowledged',
    'manual',
    ({ ledger, line, come }) => {
      come(1)
      ledger.acknowledged([line])
      come(2)
    },
    'acknowledged',
  ],
  [
    'after its sender was told',
    'pong',
    ({ ledger, come }) => {
      come(1)
      ledger.told('m')
      ledger.nextRun()
      come(2)
    },
    'acknowledged',
  ],
  [
    'as attempt 1, after attempt 1',
    'pong',
    ({ come }) => {
      come(1)
      come(1)
    },
    'acknowledged',
  ],
  ['which manual did not ask for', 'manual', ({ come }) => come(1), 'acknowledged'],
  ['which manual has not asked for', 'manual', ({ ledger }) => ledger.told('m'), 'acknowledged'],
  ['has not come to pong', 'pong', ({ ledger }) => ledger.told('m'), 'acknowledged'],
  [
    'to pong count as read, and never came',
    'pong',
    ({ ledger }) => ledger.lostAnswer('pong', 1),
    'acknowledged',
  ],
  ['to answer count as read, and never came', 'answer', () => {}, 'acknowledged'],
  [
    'what nobody sent it',
    'manual',
    ({ ledger }) => ledger.delivered('pong', message('m', 1)),
    'acknowledged',
  ],
  [
    'was never accepted',
    'manual',
    ({ ledger }) => ledger.sending('k2', 'me', 'manual', false),
    'acknowledged',
  ],
  [
    'which did not die',
    'manual',
    ({ ledger }) => ledger.bounced('me', { message_id: 'b', sender_id: 'b', payload: 1, in_reply_to: 'm' }),
    'acknowledged',
  ],
])('it finds that something %s (%s)', (found, to, does, status) => {
  const one = withOne(to)
  does(one)
  expect(settle(one.ledger, status).join('\n')).toContain(found)
})

test.each<[string, (one: One) => void, Status]>([
  ['is queued, and should be dead', () => {}, 'queued'],
  ['has 0 bounces', () => {}, 'dead_lettered'],
  ['where nobody reads', ({ come }) => come(1), 'dead_lettered'],
])('it finds that what expired %s', (found, does, status) => {
  const one = withOne('none', true)
  does(one)
  expect(settle(one.ledger, status).join('\n')).toContain(found)
})

test('it finds what is stored elsewhere', () => {
  const { ledger } = withOne('none')
  ledger.settle(new Map(), 'memory')
  expect(ledger.violations[0]).toBe('k is stored in disk')
})

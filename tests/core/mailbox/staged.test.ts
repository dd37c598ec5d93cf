import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import type { AckMode, Dead, Take } from '../../../src/core/mailbox/entry.ts'
import { Mailbox } from '../../../src/core/mailbox/mailbox.ts'
import type { Meter } from '../../../src/core/mailbox/meter.ts'
import type { Position } from '../../../src/core/mailbox/position.ts'
import { Staged } from '../../../src/core/mailbox/staged.ts'
import type { Rank, StoredMessage } from '../../../src/core/message.ts'
import { check } from '../property.ts'

const HOW_MANY = fc.integer({ min: 1, max: 4 })

type Step =
  | { do: 'stage'; rank: Rank; bytes: number; ttl_ms: number; kept: boolean }
  | { do: 'commit'; count: number }
  | { do: 'undo'; count: number }
  | { do: 'take'; count: number; ack: AckMode }
  | { do: 'read'; count: number; ack: AckMode }
  | { do: 'ack'; pick: number }
  | { do: 'pass'; ms: number }

const ACKS = fc.constantFrom<AckMode>('auto', 'manual', 'none')
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('stage' as const),
        rank: fc.constantFrom<Rank>(0, 1, 1, 1, 3),
        bytes: fc.integer({ min: 1, max: 40 }),
        ttl_ms: fc.constantFrom(20, 300_000),
        kept: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), count: HOW_MANY }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('undo' as const), count: HOW_MANY }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), count: HOW_MANY, ack: ACKS }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const), count: HOW_MANY, ack: ACKS }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('ack' as const), pick: fc.nat(9) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 30, 70_000) }),
    },
  ),
  { maxLength: 60, size: 'max' },
)

function message(n: number, rank: Rank, bytes: number, expires_ms: number): StoredMessage {
  const message_id = `m${String(n).padStart(4, '0')}`
  const json = JSON.stringify({ message_id, sender_id: 's', payload: 1, sent_at: new Date(0).toISOString() })
  const sender_id = 's'
  const rest = { in_reply_to: undefined, broadcast: false, sent_ms: 0, ttl_ms: 300_000 }
  return { message_id, sender_id, rank, json, bytes, expires_ms, ...rest }
}

/** Two mailboxes: in one everything is staged, the other only gets what is committed. */
class Pair {
  readonly #meters: [Meter, Meter] = [
    { engine: { bytes: 0 }, histories: new Set() },
    { engine: { bytes: 0 }, histories: new Set() },
  ]
  readonly #through = new Mailbox('e', this.#meters[0])
  readonly #plain = new Mailbox('e', this.#meters[1])
  readonly #staged = new Staged(this.#through, this.#meters[0])
  readonly #positions = [this.#through.open(0), this.#plain.open(0)] as [Position, Position]
  /** What is staged, as one would note it on paper. */
  #waiting: { message: StoredMessage; kept: boolean }[] = []
  readonly #offsets: number[] = []
  #made = 0
  #now = 1_000

  constructor(private readonly limits: Limits) {}

  run(steps: readonly Step[]): void {
    for (const step of steps) {
      this.#step(step)
      this.#same()
    }
  }

  #step(step: Step): void {
    if (step.do === 'stage') this.#stage(step)
    else if (step.do === 'commit')
      for (let left = Math.min(step.count, this.#waiting.length); left > 0; left--) this.#commit()
    else if (step.do === 'undo') {
      const count = Math.min(step.count, this.#waiting.length)
      const kept = this.#waiting.slice(0, count).filter(({ kept }) => kept)
      this.#waiting = [...kept, ...this.#waiting.slice(count)]
      expect(this.#staged.undo(count)).toHaveLength(kept.length)
    } else if (step.do === 'take') {
      const take = { limit: step.count, bytes_max: 1000, ack: step.ack }
      this.#both((mailbox) => mailbox.take(take, this.#now, this.limits).map(({ message }) => message))
    } else if (step.do === 'read') {
      const take = { limit: step.count, bytes_max: 1000, ack: step.ack }
      this.#both((mailbox, which) =>
        mailbox.laps(this.#positions[which]) ? 'lapped' : this.#read(mailbox, which, take),
      )
    } else if (step.do === 'ack') {
      const id = `m${String(step.pick).padStart(4, '0')}`
      this.#both((mailbox) => {
        const entry = mailbox.entries.find(id)
        return entry && [entry.state, entry.attempts, mailbox.ack(entry, this.#now, this.limits)]
      })
    } else {
      this.#now += step.ms
      this.#both((mailbox) => {
        const fallen = mailbox.advance(this.#now, this.limits)
        return [fallen?.dead.map(placeless) ?? [], fallen?.released.map(({ message }) => message) ?? []]
      })
    }
  }

  #stage({ rank, bytes, ttl_ms, kept }: Extract<Step, { do: 'stage' }>): void {
    const over = this.limits.mailbox_overflow === 'drop_oldest'
    const made = message(this.#made, rank, bytes, this.#now + ttl_ms)
    const waiting = this.#waiting.reduce((sum, { message }) => sum + message.bytes, 0)
    const fits = this.#plain.takes(this.#waiting.length + 1, waiting + bytes, this.limits) === true
    const staged = this.#staged.stage(made, this.limits, over, kept)
    expect(staged === 'full').toBe(!fits && !over)
    if (!fits && !over) return
    this.#made++
    this.#waiting.push({ message: made, kept })
  }

  #commit(): void {
    const { message } = this.#waiting.shift()!
    const [dropped, expected]: [Dead[], Dead[]] = [[], []]
    const entry = this.#staged.commit(this.limits, dropped)
    let same = this.#plain.append(message, this.limits)
    while (same === 'full') {
      expected.push(this.#plain.dropOldest()!)
      same = this.#plain.append(message, this.limits)
    }
    expect(entry.message).toBe(message)
    expect(dropped.map(placeless)).toEqual(expected.map(placeless))
    expect(entry.offset).toBeGreaterThan(this.#offsets.at(-1) ?? 0)
    this.#offsets.push(entry.offset)
  }

  #read(mailbox: Mailbox, which: 0 | 1, take: Take): unknown {
    const { due, position } = mailbox.read(this.#positions[which], take, this.#now, this.limits)
    this.#positions[which] = position
    return due.map(({ message, attempt }) => [message, attempt])
  }

  #both(does: (mailbox: Mailbox, which: 0 | 1) => unknown): void {
    expect(does(this.#through, 0)).toEqual(does(this.#plain, 1))
  }

  #same(): void {
    this.#both(({ pending, live, leased, history, bytes, next_due_ms }) => ({
      pending,
      live,
      leased,
      history,
      bytes,
      next_due_ms,
    }))
    this.#both((mailbox) =>
      [...mailbox.entries.after(0)].map(({ message, state }) => [message.message_id, state]),
    )
    // The offsets are those of the plain mailbox, but for the gaps.
    this.#both(({ last, settled_offset, evicted_through }, which) =>
      [last, settled_offset, evicted_through].map((offset) =>
        which === 0 ? this.#offsets.findLastIndex((committed) => committed <= offset) + 1 : offset,
      ),
    )
    expect(this.#staged.count).toBe(this.#waiting.length)
    const waiting = this.#waiting.reduce((sum, { message }) => sum + message.bytes, 0)
    expect(this.#meters[0].engine.bytes).toBe(this.#meters[1].engine.bytes + waiting)
    expect(this.#meters[0].histories.size).toBe(this.#meters[1].histories.size)
  }
}

const limits = fc.record({
  mailbox_messages_max: fc.integer({ min: 1, max: 8 }),
  mailbox_bytes_max: fc.constantFrom(40, 80, 1000),
  history_messages_max: fc.integer({ min: 0, max: 6 }),
  mailbox_overflow: fc.constantFrom('reject' as const, 'drop_oldest' as const),
})

test('staged, then committed or undone, a mailbox is as if it only got what was committed', () => {
  check(3000, fc.tuple(limits, steps), ([small, steps]) =>
    new Pair({ ...DEFAULT_LIMITS, ...small }).run(steps),
  )
}, 60_000)

/** A dead message without its offset, which differs by the gaps. */
function placeless({ message, attempts, reason }: Dead): Omit<Dead, 'offset'> {
  return { message, attempts, reason }
}

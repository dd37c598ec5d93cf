import fc from 'fast-check'
import type { Limits } from '../../../src/core/limits.ts'
import type { AckMode } from '../../../src/core/mailbox/entry.ts'
import type { Rank } from '../../../src/core/message.ts'

/** One step of a random history; numbers that pick something are taken modulo what there is. */
export type Step =
  | { do: 'append'; rank: Rank; bytes: number; ttl: number }
  | { do: 'rewrite'; pick: number; bytes: number }
  | { do: 'take'; ack: AckMode; limit: number; bytes_max: number }
  | { do: 'open'; reader: number; ack: AckMode; after: 'none' | 'foreign' | 'future' | number }
  | { do: 'read'; reader: number; limit: number; bytes_max: number }
  | { do: 'ack' | 'nack'; pick: number; delay: number }
  | { do: 'clock'; by: number }

const ack = fc.constantFrom<AckMode>('auto', 'manual', 'none')
const pick = fc.nat(1000)
const reader = fc.nat(2)

/** Histories in which messages have the given ranks. */
export function histories(...ranks: Rank[]): fc.Arbitrary<Step[]> {
  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        rank: fc.constantFrom(...ranks),
        bytes: fc.integer({ min: 1, max: 40 }),
        ttl: fc.integer({ min: 1, max: 30 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('rewrite' as const),
        pick,
        bytes: fc.integer({ min: 1, max: 60 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('take' as const),
        ack,
        limit: fc.integer({ min: 1, max: 6 }),
        bytes_max: fc.integer({ min: 1, max: 200 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('open' as const),
        reader,
        ack,
        after: fc.oneof(fc.constantFrom('none' as const, 'foreign' as const, 'future' as const), pick, pick),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        reader,
        limit: fc.integer({ min: 1, max: 8 }),
        bytes_max: fc.integer({ min: 1, max: 200 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('ack' as const, 'nack' as const),
        pick,
        delay: fc.constantFrom(0, 0, 1, 5),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('clock' as const), by: fc.integer({ min: 1, max: 6 }) }),
    },
  )
  return fc.array(step, { maxLength: 100, size: 'max' })
}

/** Limits small enough that a short history runs into all of them. */
export const smallLimits: fc.Arbitrary<Partial<Limits>> = fc.record({
  mailbox_messages_max: fc.integer({ min: 1, max: 8 }),
  mailbox_bytes_max: fc.integer({ min: 40, max: 240 }),
  history_messages_max: fc.integer({ min: 0, max: 6 }),
  mailbox_overflow: fc.constantFrom<Limits['mailbox_overflow']>('reject', 'drop_oldest'),
  attempts_max: fc.integer({ min: 1, max: 4 }),
  lease_seconds: fc.integer({ min: 1, max: 10 }),
})

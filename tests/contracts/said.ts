import type { Content } from '../../src/core/message.ts'
import type { IdempotencyKey, Repeated, Sent } from '../../src/engine/values.ts'

/** What a message says, and who says it. It bounces only where a test says so, which keeps counts simple. */
export type Said = Content & { readonly sender_id?: string; readonly bounces?: boolean }

/** What came of a send; if its key was used before, what came of the first. */
export type Outcome = Omit<Sent, 'outcome'> & { readonly repeated: boolean; readonly digest?: string }

/** An idempotency key, with the payload as its digest. */
export function keyOf(key: string | undefined, said: Said): IdempotencyKey | undefined {
  return key === undefined ? undefined : { key, digest: JSON.stringify(said.payload ?? null) }
}

/** What came of a send, in one shape. */
export function outcomeOf(sent: Sent | Repeated): Outcome {
  if (sent.outcome === 'repeated') {
    const { outcome: _, ...said } = sent.first
    return { ...said, repeated: true, digest: sent.digest }
  }
  const { outcome: _, ...said } = sent
  return { ...said, repeated: false }
}

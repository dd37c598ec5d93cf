/**
 * How a newer version relates to an older one. `backward`: a new reader accepts every old message.
 * `forward`: an old reader accepts every new message. `full`: both. `breaking`: neither.
 */
export type Relation = 'full' | 'backward' | 'forward' | 'breaking'

/** Why one version does not accept what the other sends. */
export interface Reason {
  /** The direction that it breaks: `backward` is a new reader of old messages. */
  readonly direction: 'backward' | 'forward'
  /** The keyword or rule, such as `required`, `enum`, `type`, or `not_decidable`. */
  readonly rule: string
  /** JSON pointer into the payload, with `*` for any item or name, such as `/author`. */
  readonly path: string
  /** What the older and the newer version say there; absent where one says nothing. */
  readonly old?: unknown
  readonly new?: unknown
  /** A payload that one version accepts and the other refuses. Boxed, since it may be null. */
  readonly witness?: { readonly payload: unknown }
  /** One sentence for people: what changed and which side breaks. */
  readonly sentence: string
}

export interface Comparison {
  /** Names that an open object does not declare carry no meaning. */
  readonly relation: Relation
  /** As the schemas are written. */
  readonly strict_relation: Relation
  /** Of the relation that decides: everything that keeps it from being `full`. */
  readonly reasons: readonly Reason[]
  /** What only the strict reading objects to. */
  readonly strict_reasons: readonly Reason[]
}

/** Characters of all witnesses that one answer has; the rest of the reasons come without theirs. */
const WITNESSES_CHARS_MAX = 64 * 1024

/** A reason as callers are told it: the witness is the payload itself, and absent where there is none. */
export interface ToldReason extends Omit<Reason, 'witness'> {
  readonly witness?: unknown
}

/** Reasons as callers are told them. */
export function told(reasons: readonly Reason[]): ToldReason[] {
  let chars_left = WITNESSES_CHARS_MAX
  return reasons.map(({ witness, ...reason }) => {
    if (!witness) return reason
    chars_left -= JSON.stringify(witness.payload).length
    return chars_left < 0 ? reason : { ...reason, witness: witness.payload }
  })
}

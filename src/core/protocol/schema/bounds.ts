/** What a schema may hold; each is a defence against schemas that cost much to compile or to check. */
export interface SchemaBounds {
  /** UTF-8 bytes of the schema as compact JSON. */
  readonly bytes_max: number
  /** Arrays and objects nested in each other, as in its JSON. */
  readonly depth_max: number
  readonly subschemas_max: number
  /** `$ref` and `$dynamicRef` together. */
  readonly references_max: number
  /** Values of one `enum`. */
  readonly enum_max: number
  /** UTF-16 units of one pattern. */
  readonly pattern_chars_max: number
  /** Repeats of one part of a pattern, such as the 64 of `a{1,64}`. */
  readonly repeat_max: number
}

export const SCHEMA_BOUNDS: SchemaBounds = {
  bytes_max: 65_536,
  depth_max: 32,
  subschemas_max: 512,
  references_max: 128,
  enum_max: 1000,
  pattern_chars_max: 512,
  repeat_max: 1000,
}

/** For a schema that has been admitted before: the bounds may have been lowered since. */
export const NO_BOUNDS: SchemaBounds = {
  bytes_max: Number.POSITIVE_INFINITY,
  depth_max: Number.POSITIVE_INFINITY,
  subschemas_max: Number.POSITIVE_INFINITY,
  references_max: Number.POSITIVE_INFINITY,
  enum_max: Number.POSITIVE_INFINITY,
  pattern_chars_max: Number.POSITIVE_INFINITY,
  repeat_max: Number.POSITIVE_INFINITY,
}

/** The largest count, such as a `maxLength`: the validator doubles counts in 32 bits. */
export const COUNT_MAX = 2 ** 28

// A stand-in with the shape of the real file, which replaces it.

export interface SchemaBounds {
  readonly bytes_max: number
  readonly depth_max: number
  readonly subschemas_max: number
  readonly references_max: number
  readonly enum_max: number
  readonly pattern_chars_max: number
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

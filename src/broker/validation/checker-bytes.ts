import type { AdmittedSchema } from '../../core/protocol/schema/admit.ts'

/** Of generated code, as measured: what any checker takes, and for each character of its schema. */
const BASE_BYTES = 20_000
const BYTES_PER_CHAR = 36
/** Of an expression of the linear engine; for each state, once it has run on long texts; for a property. */
const PATTERN_BYTES = 8000
const STATE_BYTES = 10_000
const PROPERTY_BYTES = 24_000

/**
 * About how much memory a compiled schema takes, in bytes. It is more than its text by far: a few kilobytes
 * of patterns may take several megabytes.
 *
 * @param chars of the schema as JSON
 */
export function checkerBytes({ patterns }: AdmittedSchema, chars: number): number {
  let bytes = BASE_BYTES + chars * BYTES_PER_CHAR
  for (const [source, { size }] of patterns)
    if (size > 0) bytes += PATTERN_BYTES + size * STATE_BYTES + (/\\p\{/i.test(source) ? PROPERTY_BYTES : 0)
  return bytes
}

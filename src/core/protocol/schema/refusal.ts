import { BrokerError } from '../../errors.ts'
import type { SchemaBounds } from './bounds.ts'

/** Why a schema is refused, in the words of the caller. */
export interface Refusal {
  /** JSON pointer into the schema. */
  readonly path: string
  /** The keyword or rule that is broken, such as `minLength` or `cycle`. */
  readonly rule: string
  /** One sentence: what is wrong. */
  readonly detail: string
  /** One sentence: how to mend it. */
  readonly next: string
}

/** @throws BrokerError schema_invalid */
export function refuseSchema(refusal: Refusal): never {
  throw refused('schema_invalid', refusal)
}

/** @throws BrokerError pattern_refused */
export function refusePattern(refusal: Refusal): never {
  throw refused('pattern_refused', refusal)
}

/** @throws BrokerError schema_too_large, with the bound that the schema goes over */
export function refuseSize(
  path: string,
  bound: keyof SchemaBounds | 'pattern_size_max',
  detail: string,
): never {
  const next = 'Split it into several protocols, or describe less in it.'
  throw refused('schema_too_large', { path, rule: bound, detail, next }, bound)
}

function refused(
  code: 'schema_invalid' | 'pattern_refused' | 'schema_too_large',
  { path, rule, detail, next }: Refusal,
  bound?: string,
): BrokerError {
  const more = { path, rule, ...(bound === undefined ? {} : { bound }) }
  return new BrokerError(code, { field: `/schema${path}`, detail, next, more })
}

/** JSON pointer of a member. Source: RFC 6901. */
export function pointerTo(parent: string, name: string | number): string {
  return `${parent}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** A name as a JSON string, cut so that a sentence stays readable. */
export function quoted(name: string, chars_max = 64): string {
  return JSON.stringify(name.length > chars_max ? `${name.slice(0, chars_max)}…` : name)
}

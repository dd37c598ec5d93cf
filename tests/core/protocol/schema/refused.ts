import { BrokerError, type ErrorCode } from '../../../../src/core/errors.ts'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import type { SchemaBounds } from '../../../../src/core/protocol/schema/bounds.ts'

/** What an author is told of a refused schema. */
export interface Refused {
  code: ErrorCode
  field: string
  detail: string
  next: string
  rule: unknown
  bound?: unknown
}

/** The refusal of a schema. @throws Error if it is admitted, or refused without a word */
export function refusalOf(schema: unknown, bounds?: SchemaBounds): Refused {
  try {
    admitSchema(schema, bounds)
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown
    const { field, detail, next, more } = thrown.detail
    if (field !== `/schema${more?.path}`) throw new Error(`field ${field} is not at path ${more?.path}`)
    for (const sentence of [detail, next])
      if (!sentence || !/^[A-Z$\\"a-z].*[.?]$/s.test(sentence) || sentence.length > 400)
        throw new Error(`no sentence: ${sentence}`)
    const bound = more?.bound === undefined ? {} : { bound: more.bound }
    return { code: thrown.code, field, detail: detail!, next: next!, rule: more?.rule, ...bound }
  }
  throw new Error('the schema was admitted')
}

// A stand-in with the shape of the real file, which replaces it.
import { BrokerError } from '../../errors.ts'
import { isSchemaObject, type JsonSchema } from '../json-schema.ts'
import { SCHEMA_BOUNDS, type SchemaBounds } from './bounds.ts'

export interface AdmittedSchema {
  readonly schema: JsonSchema
  readonly context: Readonly<Record<string, JsonSchema>>
  readonly weight: number
  readonly bare: boolean
  readonly warnings: readonly string[]
}

/** @throws BrokerError `schema_invalid`, `schema_too_large` */
export function admitSchema(schema: unknown, bounds: SchemaBounds = SCHEMA_BOUNDS): AdmittedSchema {
  if (typeof schema !== 'boolean' && !isSchemaObject(schema))
    throw new BrokerError('schema_invalid', {
      field: '/schema',
      detail: 'A schema is an object or a boolean.',
    })
  if (JSON.stringify(schema).length > bounds.bytes_max)
    throw new BrokerError('schema_too_large', { field: '/schema', more: { bound: 'bytes_max' } })
  return { schema, context: {}, weight: 1, bare: false, warnings: [] }
}

import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'

const branch = { type: 'object', required: ['n'], properties: { n: { $ref: '#/$defs/n' } } }
/** Both branches descend, so that a payload of depth d which fits neither costs 2^d checks. */
export const RUNAWAY: JsonSchema = { $ref: '#/$defs/n', $defs: { n: { anyOf: [branch, { ...branch }] } } }

/** Nested as deep as that, for {@link RUNAWAY}; JSON text. */
export function nested(depth: number): string {
  return `${'{"n":'.repeat(depth)}1${'}'.repeat(depth)}`
}

/** Recursive and harmless. */
export const TREE: JsonSchema = {
  $ref: '#/$defs/tree',
  $defs: {
    tree: {
      type: 'object',
      required: ['title'],
      properties: {
        title: { type: 'string' },
        children: { type: 'array', items: { $ref: '#/$defs/tree' } },
      },
    },
  },
}
export const FITS = '{"title":"a","children":[{"title":"b"}]}'
export const FITS_NOT = '{"title":"a","children":[{"title":7}]}'

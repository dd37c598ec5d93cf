/** Pieces of hostile schemas and payloads. */

/** `levels` schemas of one property each, inside each other. */
export function deepSchema(levels: number): unknown {
  let schema: unknown = {}
  for (let level = 0; level < levels; level++) schema = { properties: { a: schema } }
  return schema
}

/** JSON text of arrays inside each other, which is too deep for JSON.stringify. */
export const deepArrays = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

/** JSON text of objects inside each other, each the member `name` of the next. */
export function deepObjects(levels: number, name = 'n'): string {
  return `${`{"${name}":`.repeat(levels)}1${'}'.repeat(levels)}`
}

/** An object with as many members. */
export function members<T>(count: number, make: (n: number) => T, name = (n: number) => `p${n}`) {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [name(n), make(n)]))
}

export const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))

/** `levels` definitions, each of which refers twice to the one before: 2^levels ways to the first. */
export function laughs(keyword: string, levels: number, first: unknown = { type: 'string' }): unknown {
  const $defs: Record<string, unknown> = { l0: first }
  for (let level = 1; level <= levels; level++) {
    const below = { $ref: `#/$defs/l${level - 1}` }
    $defs[`l${level}`] = { [keyword]: [below, { ...below }] }
  }
  return { $ref: `#/$defs/l${levels}`, $defs }
}

/** A schema that goes down each payload by two ways, so that a payload of depth d may cost 2^d checks. */
export function twoWays(down: unknown, combine: (a: unknown, b: unknown) => object): unknown {
  return { $ref: '#/$defs/n', $defs: { n: combine(down, structuredClone(down)) } }
}

const REF = { $ref: '#/$defs/n' }
/** Down by the member `n`, which has to be there. */
export const BY_MEMBER = { type: 'object', required: ['n'], properties: { n: REF } }

export const TREE = {
  $ref: '#/$defs/tree',
  $defs: {
    tree: {
      type: 'object',
      required: ['title'],
      properties: {
        title: { type: 'string', maxLength: 200 },
        state: { enum: ['open', 'done'] },
        children: { type: 'array', items: { $ref: '#/$defs/tree' } },
      },
    },
  },
}

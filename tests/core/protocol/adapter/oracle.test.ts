import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { applyPatch, type Operation as Patch } from 'fast-json-patch'
import { applyOperations } from '../../../../src/core/protocol/adapter/apply.ts'
import type { Operation } from '../../../../src/core/protocol/adapter/operations.ts'
import { check } from '../../property.ts'

const name = fc.constantFrom('a', 'b', '', 'a/b', '~', '~1', '-', '0')
const { document } = fc.letrec<{ document: unknown; list: unknown; object: unknown }>((tie) => ({
  document: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1, 'text'),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('document'), { maxLength: 3 }),
  object: fc.dictionary(name, tie('document'), { maxKeys: 4, noNullPrototype: true }),
}))
const part = fc.oneof(name, fc.constantFrom('0', '1', '2', '3', '-', 'a', 'b', '*', '01'))
const parts = fc.array(part, { maxLength: 3 })
type Drawn = readonly [op: string, from: string[], path: string[], value: unknown]
const drawn: fc.Arbitrary<Drawn> = fc.tuple(
  fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
  parts,
  parts,
  document,
)

/** @param star what a name `*` is in the pointers of the implementation */
function written([op, from, path, value]: Drawn, star: string): object {
  const pointer = (names: readonly string[]) =>
    names.map((one) => `/${one.replaceAll('~', '~0').replaceAll('/', '~1').replace('*', star)}`).join('')
  if (op === 'remove') return { op, path: pointer(path) }
  if (op === 'move' || op === 'copy') return { op, from: pointer(from), path: pointer(path) }
  return { op, path: pointer(path), value }
}

const MISSING = Symbol('missing')

/** The value that RFC 6901 finds, or {@link MISSING}. */
function found(payload: unknown, path: readonly string[]): unknown {
  let value = payload
  for (const one of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, one)) return MISSING
    value = (value as Record<string, unknown>)[one]
  }
  return value
}

/** Whether RFC 6902, section 4.1, lets a value be added there. */
function canAdd(payload: unknown, path: readonly string[]): boolean {
  if (path.length === 0) return true
  const within = found(payload, path.slice(0, -1))
  const last = path.at(-1)!
  if (!Array.isArray(within)) return typeof within === 'object' && within !== null
  return last === '-' || (/^(0|[1-9][0-9]*)$/.test(last) && Number(last) <= within.length)
}

/**
 * What RFC 6902 makes of a payload. The other implementation says what an operation does that can be done;
 * that it can be done is asked here, since it takes several that it should refuse: those whose source is
 * missing, with an index such as `01`, of the whole payload, and those that move a value into itself.
 */
function expected(payload: unknown, step: Drawn): unknown {
  const [op, from, path] = step
  const source = op === 'move' || op === 'copy' ? from : path
  if (op !== 'add' && found(payload, source) === MISSING) {
    // Not as in the RFC: nothing to do.
    if (op === 'remove') return payload
    throw new Error('Nothing is there.')
  }
  if (op === 'move') {
    const without = applyPatch(payload, [written(['remove', [], from, null], '*') as Patch], true, false)
    if (from.length > 0 && !canAdd(without.newDocument, path)) throw new Error('No place for it.')
  }
  if ((op === 'add' || op === 'copy') && !canAdd(payload, path)) throw new Error('No place for it.')
  return applyPatch(payload, [written(step, '*') as Patch], true, false).newDocument
}

function outcome(apply: () => unknown): unknown {
  try {
    return { result: apply() }
  } catch (thrown) {
    if (thrown instanceof TypeError) throw thrown
    return 'failed'
  }
}

test('the six operations of RFC 6902 do what another implementation does', () => {
  let applied = 0
  /** `checkAdapters` refuses to remove the whole payload, or to move it into itself. */
  const allowed = drawn.filter(
    ([op, from, path]) => !((op === 'remove' && path.length === 0) || (op === 'move' && from.length === 0)),
  )
  const cases = fc.tuple(document, fc.array(allowed, { minLength: 1, maxLength: 3 }))
  check(5000, cases, ([payload, steps]) => {
    const before = JSON.stringify(payload)
    const operations = steps.map((step) => written(step, '~2') as Operation)
    const ours = outcome(() => applyOperations(payload, operations))
    expect(JSON.stringify(payload)).toBe(before)
    expect(ours).toEqual(outcome(() => steps.reduce(expected, payload)))
    if (ours !== 'failed') applied++
  })
  expect(applied).toBeGreaterThan(500)
})

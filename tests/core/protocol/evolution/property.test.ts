import { afterAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Check, Pair } from '../../../../src/core/protocol/evolution/compare.ts'
import { Document, Numbering } from '../../../../src/core/protocol/evolution/document.ts'
import { fits } from '../../../../src/core/protocol/evolution/fits.ts'
import type { Mode } from '../../../../src/core/protocol/evolution/object-view.ts'
import type { Reason } from '../../../../src/core/protocol/evolution/relation.ts'
import { Work } from '../../../../src/core/protocol/evolution/work.ts'
import type { SchemaObject } from '../../../../src/core/protocol/json-schema.ts'
import { check } from '../../property.ts'
import { hasBranches, RandomValue, withoutBranches } from './random-value.ts'
import { checkOf, compare, dice, document, mutated } from './schemas.ts'

const seeded = fc.tuple(document, fc.nat())

/** What a check says; undefined for a schema that refers to itself without a step into the payload. */
function says(check: Check, payload: unknown): boolean | undefined {
  try {
    return check(payload)
  } catch {
    return undefined
  }
}

/**
 * Payloads that the writer accepts and the reader refuses, of some random ones; leniently, of those that use
 * only names declared in the branches that they fit.
 */
function refuted(
  writer: SchemaObject,
  { reads, writes }: { reads: Check; writes: Check },
  seed: number,
  mode: Mode,
) {
  const random = dice(seed)
  const chosen = mode === 'lenient' && hasBranches(writer) ? withoutBranches(writer, random) : writer
  const fitsChosen = chosen === writer ? writes : checkOf(chosen)
  const values = new RandomValue(chosen, random, mode === 'lenient')
  // Few for most pairs, since there are many; many for some.
  return Array.from({ length: seed % 20 === 0 ? 200 : 20 }, () => values.next()).filter(
    (value) =>
      says(writes, value) === true && says(reads, value) === false && says(fitsChosen, value) === true,
  )
}

describe('two versions of a random schema', () => {
  const verdicts = { yes: 0, no: 0, unknown: 0 }

  test('are never said to fit where a payload denies it, and each refusal has one', () => {
    const changes = fc.array(fc.nat(), { minLength: 5, maxLength: 5 })
    check(1000, fc.tuple(document, changes), ([older, seeds]) => {
      const checked = checkOf(older)
      for (const seed of seeds) compares(older, checked, seed)
    })
  }, 120_000)

  function compares(older: SchemaObject, checked: Check, seed: number): void {
    const newer = mutated(older, seed)
    const checks = { older: checked, newer: checkOf(newer) }
    const pair = new Pair(older, newer, checks)
    for (const direction of ['backward', 'forward'] as const) {
      const writer = direction === 'backward' ? older : newer
      const [reads, writes] =
        direction === 'backward' ? [checks.newer, checks.older] : [checks.older, checks.newer]
      for (const mode of ['strict', 'lenient'] as const) {
        const answer = pair.accepts(mode, direction)
        verdicts[answer.verdict]++
        for (const reason of answer.reasons) holds(reason, direction, reads, writes)
        expect(answer.reasons.some(({ witness }) => witness !== undefined)).toBe(answer.verdict === 'no')
        if (answer.verdict === 'yes') {
          expect(refuted(writer, { reads, writes }, seed, mode)).toEqual([])
          break
        }
      }
    }
  }

  function holds(reason: Reason, direction: string, reads: Check, writes: Check): void {
    expect(reason.direction).toBe(direction as Reason['direction'])
    expect(reason.rule === 'not_decidable').toBe(reason.witness === undefined)
    expect(reason.path).toMatch(/^(\/[^/]*)*$/)
    if (reason.witness === undefined) return
    expect(writes(reason.witness.payload)).toBe(true)
    expect(reads(reason.witness.payload)).toBe(false)
  }

  afterAll(() => {
    const all = verdicts.yes + verdicts.no + verdicts.unknown
    // The share of what is left undecided; a rule that stops working shows in it first.
    console.info(`compared ${all} ways: ${JSON.stringify(verdicts)}`)
    if (all > 0) expect(verdicts.unknown / all).toBeLessThan(0.1)
  })

  test('are compared the same from either side', () => {
    check(300, seeded, ([older, seed]) => {
      const newer = mutated(older, seed)
      const [there, back] = [compare(older, newer), compare(newer, older)]
      const turned = { full: 'full', breaking: 'breaking', backward: 'forward', forward: 'backward' } as const
      expect(back.relation).toBe(turned[there.relation])
      expect(back.strict_relation).toBe(turned[there.strict_relation])
      const rules = (reasons: readonly Reason[], direction: string) =>
        reasons.filter((reason) => reason.direction === direction).map(({ rule, path }) => `${rule} ${path}`)
      expect(rules(back.reasons, 'forward')).toEqual(rules(there.reasons, 'backward'))
    })
  })

  test('are full if they are the same, or differ in words and order', () => {
    check(300, document, (schema) => {
      expect(compare(schema, structuredClone(schema))).toMatchObject({
        relation: 'full',
        strict_relation: 'full',
      })
      const reordered = { description: 'words', ...Object.fromEntries(Object.entries(schema).reverse()) }
      expect(compare(schema, reordered)).toEqual({
        relation: 'full',
        strict_relation: 'full',
        reasons: [],
        strict_reasons: [],
      })
    })
  })

  test('are strictly compatible only if they are leniently', () => {
    check(300, seeded, ([older, seed]) => {
      const { relation, strict_relation } = compare(older, mutated(older, seed))
      if (strict_relation === 'full') expect(relation).toBe('full')
      if (strict_relation !== 'breaking') expect(['full', strict_relation]).toContain(relation)
    })
  })
})

test('a value that is said to fit or not does so by the validator', () => {
  check(1000, seeded, ([schema, seed]) => {
    const validates = checkOf(schema)
    const { root } = new Document(schema, new Numbering())
    const random = new RandomValue(schema, dice(seed), false)
    for (let count = 0; count < 20; count++) {
      const value = random.next()
      const answer = says((payload) => fits(payload, root, new Work(5000)) as boolean, value)
      const truth = says(validates, value)
      if (answer !== undefined && truth !== undefined) expect([value, answer]).toEqual([value, truth])
    }
  })
})

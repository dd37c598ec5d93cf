import { expect, test } from 'bun:test'
import { admitSchema } from '../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../src/core/protocol/schema/checker.ts'
import { findingsOf } from '../../src/core/protocol/schema/explain/explain.ts'
import { type Draft, suiteCases } from './json-schema-suite.ts'

/** Cases that are answered otherwise than the suite has it, with the reason. */
const EXPECTED_FAILURES: Readonly<Record<Draft, Readonly<Record<string, string>>>> = {
  'draft-07': {},
  '2020-12': {},
}

test.each([
  ['draft-07', 0.994, 750],
  ['2020-12', 0.998, 1050],
] as [Draft, number, number][])('the official suite of %s', (draft, share_min, cases_min) => {
  const failed: string[] = []
  let cases = 0
  for (const { name, schema, cases: all } of suiteCases(draft)) {
    const { check } = compileSchema(admitSchema(schema))
    for (const { description, data, valid } of all) {
      cases++
      if (check(data) !== valid) failed.push(`${name}: ${description}`)
    }
  }
  expect(cases).toBeGreaterThan(cases_min)
  expect(failed).toEqual(Object.keys(EXPECTED_FAILURES[draft]))
  expect(1 - failed.length / cases).toBeGreaterThanOrEqual(share_min)
})

test.each(['draft-07', '2020-12'] as const)('explanations agree with the suite of %s', (draft) => {
  const failed: string[] = []
  for (const { name, schema, cases } of suiteCases(draft)) {
    const admitted = admitSchema(schema)
    for (const { description, data, valid } of cases)
      if ((findingsOf(admitted, data).total === 0) !== valid) failed.push(`${name}: ${description}`)
  }
  expect(failed).toEqual([])
})

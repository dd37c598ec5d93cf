import { describe, expect, test } from 'bun:test'
import type { Comparison, Relation } from '../../../../src/core/protocol/evolution/relation.ts'
import { neighbours, semverRule } from '../../../../src/core/protocol/evolution/semver-rule.ts'

const REASON = { direction: 'backward', rule: 'required', path: '/a', sentence: 's' } as const
const STRICT = { ...REASON, path: '/b' }

function comparison(relation: Relation, strict_relation = relation): Comparison {
  return { relation, strict_relation, reasons: [REASON], strict_reasons: [STRICT] }
}

describe('a step between versions', () => {
  test.each<[string, string, Relation, 'minor' | 'major' | undefined]>([
    ['1.2.3', '1.2.4', 'full', undefined],
    ['1.2.3', '1.2.4', 'backward', 'minor'],
    ['1.2.3', '1.2.4', 'forward', 'major'],
    ['1.2.3', '1.2.4', 'breaking', 'major'],
    ['1.2.3', '1.3.0', 'full', undefined],
    ['1.2.3', '1.3.0', 'backward', undefined],
    ['1.2.3', '1.3.0', 'forward', 'major'],
    ['1.2.3', '1.3.0', 'breaking', 'major'],
    ['1.2.3', '2.0.0', 'breaking', undefined],
    ['0.2.3', '0.3.0', 'breaking', undefined],
    ['0.2.3', '0.2.4', 'full', undefined],
    ['0.2.3', '0.2.4', 'backward', 'minor'],
    ['0.2.3', '0.2.4', 'breaking', 'minor'],
    ['0.9.0', '1.0.0', 'breaking', undefined],
    ['1.2.3', '1.3.0-rc.1', 'breaking', undefined],
    ['1.3.0-rc.1', '1.3.0', 'breaking', undefined],
  ])('from %s to %s that is %s needs %p', (from, to, relation, needed) => {
    expect(semverRule(from, to, comparison(relation))?.needed).toBe(needed as never)
    expect(semverRule(from, to, comparison(relation), { allow_breaking: true })).toBeUndefined()
  })

  test('is decided by the strict relation where that is asked for', () => {
    const change = comparison('full', 'forward')
    expect(semverRule('1.0.0', '1.1.0', change)).toBeUndefined()
    expect(semverRule('1.0.0', '1.1.0', change, { strict: true })).toEqual({
      needed: 'major',
      reasons: [REASON, STRICT],
      sentence:
        '1.1.0 is a minor after 1.0.0, which has to be full or backward, but the change is forward: ' +
        'register it as a new major version, or set allow_breaking to true.',
    })
  })

  test('says what it promised', () => {
    expect(semverRule('1.0.0', '1.0.1', comparison('backward'))).toEqual({
      needed: 'minor',
      reasons: [REASON],
      sentence:
        '1.0.1 is a patch after 1.0.0, which has to be full, but the change is backward: ' +
        'register it as a new minor version, or set allow_breaking to true.',
    })
  })
})

describe('the neighbours of a version', () => {
  const versions = ['2.0.0', '1.10.0', '1.2.0', '1.9.0', '1.11.0-rc.1', '0.9.0']
  test.each([
    ['1.10.1', { lower: '1.10.0' }],
    ['1.2.5', { lower: '1.2.0', upper: '1.9.0' }],
    ['2.1.0', { lower: '2.0.0' }],
    ['0.1.0', { upper: '0.9.0' }],
    ['1.11.0', { lower: '1.10.0' }],
    ['1.10.0', { lower: '1.9.0' }],
    ['3.0.0-rc.1', { lower: '2.0.0' }],
  ])('%s', (version, expected) => {
    expect(neighbours(versions, version)).toEqual(expected)
  })

  test('are none of the first', () => {
    expect(neighbours([], '1.0.0')).toEqual({})
  })
})

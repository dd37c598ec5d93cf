import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { samplesOf } from '../../../../src/core/protocol/evolution/sample.ts'
import { check } from '../../property.ts'

describe('samples of a pattern', () => {
  test.each([
    ['^[a-z0-9-]{1,40}$', 5],
    ['^(open|closed|in_progress)$', 3],
    ['^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}Z$', 2],
    ['^[^\\s@]+@[^\\s@]+\\.[a-z]{2,}$', 3],
    ['^v?(0|[1-9]\\d*)\\.(0|[1-9]\\d*)$', 3],
    ['^#(?:[0-9a-fA-F]{3}){1,2}$', 3],
    ['^(?<year>\\d+)\\b', 2],
    ['^\\x41\\u0042\\u{43}\\/\\-?$', 2],
    ['^[\\w.]+\\t$', 3],
    ['a|b|', 3],
  ])('%s are at least %d, and match', (pattern, least) => {
    const samples = samplesOf(pattern)
    expect(new Set(samples).size).toBeGreaterThanOrEqual(least)
    const expression = new RegExp(pattern.replaceAll('\\-?', '-?').replaceAll('\\-', '-'), 'u')
    for (const sample of samples) expect(sample).toMatch(expression)
  })

  test.each([
    '^(?=a)b',
    '(?!x)',
    '(?<=a)b',
    '(a)\\1',
    '(?<n>a)\\k<n>',
    '(',
    'a)',
    '[a',
    'a{2000}',
    '\\Bx',
    '\\',
  ])('of %s, which is not read, are none or few', (pattern) => {
    expect(samplesOf(pattern).length).toBeLessThan(2)
  })

  test('of repeats of repeats stay short', () => {
    for (const sample of samplesOf('^((a{1,90}){1,90}){1,90}$'))
      expect(sample.length).toBeLessThanOrEqual(2000)
    expect(samplesOf('((((((a+)+)+)+)+)+)+$').length).toBeGreaterThan(0)
  })

  test('of any text never fail', () => {
    check(2000, fc.string({ unit: fc.constantFrom(...'ab(|)[]{},1-^$\\dw?*+.:<>') }), (pattern) => {
      expect(samplesOf(pattern).every((sample) => sample.length <= 2000)).toBe(true)
    })
  })
})

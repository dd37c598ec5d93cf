import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerError } from '../../../src/core/errors.ts'
import {
  checkRange,
  compareVersions,
  highest,
  isPrerelease,
  lowest,
  newestFirst,
  newestUsable,
  parseVersion,
  rangeOf,
  rangesMeet,
  satisfies,
  satisfying,
} from '../../../src/core/protocol/versions.ts'
import { check } from '../property.ts'
import { EXCLUDED, HIGHER, INCLUDED, NO_VERSIONS, RANGES, SAME, VERSIONS } from './semver-facts.ts'

/** Versions close together, so that ranges and versions meet often. */
const version = fc
  .tuple(
    fc.nat({ max: 3 }),
    fc.nat({ max: 3 }),
    fc.nat({ max: 3 }),
    fc.constantFrom('', '', '', '-rc.1', '-rc.2'),
  )
  .map(([major, minor, patch, prerelease]) => `${major}.${minor}.${patch}${prerelease}`)
const range = fc
  .array(
    fc.tuple(fc.constantFrom('', '^', '~', '>=', '<', '<=', '>'), version).map((parts) => parts.join('')),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .chain((parts) => fc.constantFrom(' ', ' || ').map((between) => parts.join(between)))

/** What a call throws, as the wire shows it. */
function refusal(call: () => unknown) {
  try {
    call()
  } catch (thrown) {
    if (thrown instanceof BrokerError) return { code: thrown.code, ...thrown.detail }
    throw thrown
  }
  throw new Error('it was not refused')
}

describe('a version', () => {
  test.each(VERSIONS.filter((text) => !text.startsWith('v')))('%s is one, kept without its build', (text) => {
    expect(parseVersion(text, '/version')).toBe(text.replace(/\+.*/, ''))
  })

  test.each([
    ...NO_VERSIONS,
    '',
    '1.0.0.0',
    '1.0.0 ',
    '1.0.0+',
    '1.0.0-01',
    '^1.0.0',
    '*',
    `${'1'.repeat(60)}.0.0`,
  ])('%j is none', (text) => {
    expect(refusal(() => parseVersion(text, '/version')).code).toBe('invalid_params')
  })

  test.each([
    ['v1.0.0', 'Write 1.0.0.'],
    ['=1.2.3', 'Write 1.2.3.'],
    ['1.0', 'Write 1.0.0.'],
    ['2', 'Write 2.0.0.'],
    ['01.02.03', 'Write 1.2.3.'],
    [' 1.0.0', 'Write 1.0.0.'],
    ['1.2.3beta', 'Write 1.2.3-beta.'],
    ['1.2-rc.1', 'Write 1.2.0-rc.1.'],
    ['v1.0+build', 'Write 1.0.0.'],
    ['1.2.3-rc..1', 'Write three numbers and perhaps a prerelease, such as 1.0.0 or 2.0.0-rc.1.'],
    ['latest', 'Write three numbers and perhaps a prerelease, such as 1.0.0 or 2.0.0-rc.1.'],
  ])('%j is refused with the fix: %s', (text, next) => {
    expect(refusal(() => parseVersion(text, '/version'))).toEqual({
      code: 'invalid_params',
      field: '/version',
      detail: `${JSON.stringify(text)} is not a semver version of at most 64 characters.`,
      next,
    })
  })

  test('is at most 64 characters long, and a longer one is not echoed whole', () => {
    expect(parseVersion(`1.0.0-${'a'.repeat(58)}`, '/v')).toHaveLength(64)
    const { detail } = refusal(() => parseVersion(`1.0.0-${'a'.repeat(5000)}`, '/v'))
    expect(detail!.length).toBeLessThan(130)
  })

  test.each(HIGHER.map(([higher, lower]) => ({ higher, lower })))(
    '$higher is above $lower',
    ({ higher, lower }) => {
      expect(compareVersions(higher, lower)).toBeGreaterThan(0)
      expect(compareVersions(lower, higher)).toBeLessThan(0)
      expect(newestFirst([lower, higher, lower])).toEqual([higher, lower, lower])
    },
  )

  test.each(SAME.map(([one, other]) => ({ one, other })))('$one is the same as $other', ({ one, other }) => {
    expect(compareVersions(one, other)).toBe(0)
  })

  test('is above any text that is none', () => {
    expect(newestFirst(['nothing', '0.0.0-0', 'latest'])[0]).toBe('0.0.0-0')
    expect(compareVersions('nothing', 'latest')).toBe(0)
  })

  test('is a prerelease or not', () => {
    expect(['1.0.0', '1.0.0-rc.1', 'latest'].map(isPrerelease)).toEqual([false, true, false])
  })
})

describe('a range', () => {
  test.each(INCLUDED.map(([range, version]) => ({ range, version })))('$range takes $version', (one) => {
    expect(satisfies(one.version, one.range)).toBe(true)
  })

  test.each(EXCLUDED.map(([range, version]) => ({ range, version })))(
    '$range does not take $version',
    (one) => {
      expect(satisfies(one.version, one.range)).toBe(false)
    },
  )

  test.each(RANGES.map(([range, means]) => ({ range, means })))('$range means $means', ({ range, means }) => {
    const parsed = rangeOf(range)
    expect(parsed === undefined ? null : parsed.range || '*').toBe(means)
    if (means === null) expect(refusal(() => checkRange(range, '/version')).field).toBe('/version')
    else checkRange(range, '/version')
  })

  test('takes a prerelease only when it names one of the same version', () => {
    expect(satisfies('2.0.0-rc.1', '>=1')).toBe(false)
    expect(satisfies('2.0.0-rc.2', '>=2.0.0-rc.1')).toBe(true)
    expect(satisfies('2.0.1-rc.2', '>=2.0.0-rc.1')).toBe(false)
  })

  test.each([
    ['latest', 'Write "*" for any version that is not a prerelease.'],
    ['blerg', 'Write a range of node-semver, such as "^1.2.0" or ">=1.4 <3".'],
    ['^1.2.0 && ^2', 'Write a range of node-semver, such as "^1.2.0" or ">=1.4 <3".'],
    [Array(17).fill('1').join('||'), 'Write a shorter range, such as "^1.2.0 || ^2.0.0".'],
    [`^1.0.0-${'a'.repeat(128)}`, 'Write a shorter range, such as "^1.2.0 || ^2.0.0".'],
  ])('%j is refused, with the fix, and takes nothing where one was kept unchecked', (text, next) => {
    const { code, field, ...said } = refusal(() => checkRange(text, '/capabilities/protocols/chat'))
    expect({ code, field }).toEqual({ code: 'invalid_params', field: '/capabilities/protocols/chat' })
    expect(said.next).toBe(next)
    expect(satisfies('1.0.0', text)).toBe(false)
    expect(satisfying([{ version: '1.0.0' }], text)).toEqual([])
    expect(highest(['1.0.0'], text)).toBeUndefined()
    expect(lowest(text)).toBeUndefined()
    expect(rangesMeet(text, '*')).toBe(false)
  })

  test('has at most 16 alternatives and 128 characters', () => {
    checkRange(Array(16).fill('1').join('||'), '/range')
    checkRange(`1.0.0-${'a'.repeat(122)}`, '/range')
  })

  test('is parsed once, of the last thousand that were asked for, and forgotten after two', () => {
    const first = rangeOf('^7.0.0')
    for (let patch = 0; patch < 999; patch++) rangeOf(`^7.1.${patch}`)
    expect(rangeOf('^7.0.0')).toBe(first)
    for (let patch = 0; patch < 1999; patch++) rangeOf(`^7.2.${patch}`)
    expect(rangeOf('^7.0.0')).not.toBe(first)
  })

  test.each([
    ['^1.2', '1.2.0'],
    ['>1.2', '1.3.0'],
    ['>=2.0.0-rc.1', '2.0.0-rc.1'],
    ['*', '0.0.0'],
    ['>1 <1', undefined],
  ])('%s begins at %s', (range, version) => {
    expect(lowest(range)).toBe(version)
  })

  test('meets another where a version could be in both', () => {
    expect(rangesMeet('^1.2', '>=1.4 <3')).toBe(true)
    expect(rangesMeet('^1', '^2')).toBe(false)
  })

  test('takes its highest version, and none that is higher', () => {
    check(2000, fc.tuple(fc.array(version, { maxLength: 12 }), range), ([versions, range]) => {
      const best = highest(versions, range)
      const all = satisfying(
        versions.map((version) => ({ version })),
        range,
      )
      expect(all.map(({ version }) => version)).toEqual(versions.filter((one) => satisfies(one, range)))
      if (best !== undefined) expect(satisfies(best, range)).toBe(true)
      for (const other of versions)
        if (best === undefined || compareVersions(other, best) > 0)
          expect(satisfies(other, range)).toBe(false)
    })
  })

  test('takes the lowest version that it names, and meets what it shares a version with', () => {
    check(2000, fc.tuple(range, range, version), ([a, b, version]) => {
      // The library finds no lowest version below a prerelease of 0.0.0.
      if (`${a} ${b}`.includes('0.0.0-')) return
      const least = lowest(a)
      if (satisfies(version, a)) expect(compareVersions(version, least!)).toBeGreaterThanOrEqual(0)
      if (satisfies(version, a) && satisfies(version, b)) expect(rangesMeet(a, b)).toBe(true)
    })
  })
})

describe('the newest usable version', () => {
  const old = { version: '1.0.0' }
  const newer = { version: '1.1.0' }
  const gone = { version: '1.2.0', deprecated: { message: 'use 1.1' } }
  const soon = { version: '2.0.0-rc.1', deprecated: false }

  test('is neither deprecated nor a prerelease', () => {
    expect(newestUsable([old, gone, newer, soon])).toBe(newer)
  })

  test('is the newest where there is no other', () => {
    expect(newestUsable([gone, soon])).toBe(soon)
    expect(newestUsable([])).toBeUndefined()
  })

  test('of any versions is one of them, and only a worse one is above it', () => {
    const versions = fc.array(fc.record({ version, deprecated: fc.boolean() }), {
      minLength: 1,
      maxLength: 8,
    })
    check(1000, versions, (versions) => {
      const best = newestUsable(versions)!
      expect(versions).toContain(best)
      for (const other of versions)
        if (compareVersions(other.version, best.version) > 0)
          expect(other.deprecated || isPrerelease(other.version)).toBe(true)
    })
  })
})

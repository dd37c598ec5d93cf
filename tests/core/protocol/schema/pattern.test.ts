import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { judgePattern, linearPattern, PatternFlaw } from '../../../../src/core/protocol/schema/pattern.ts'
import { check } from '../../property.ts'

const MB = 1_000_000

describe('everyday patterns run natively, where their shape makes it evident that they are linear', () => {
  test.each([
    '^[a-z][a-z0-9_-]{0,63}$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    '^(plain|markdown)$',
    '^x-',
    '^.*$',
    '^#[0-9a-fA-F]{6}$',
    '^v?[0-9]+$',
    '^a$|^b$',
    '\\S',
    '[A-Z]{2}',
    '^[a-z]+(-draft)?$',
    '^\\p{Lu}\\p{L}*$',
    '',
  ])('%s', (source) => {
    const { regexp, size } = judgePattern(source)
    expect(size).toBe(0)
    expect(regexp.constructor).toBe(RegExp)
  })
})

describe('all others run in the linear engine', () => {
  const evil = [
    '^(a+)+$',
    '^(a|a)*$',
    '^(a|aa)+$',
    '^.*.*.*=.*$',
    '\\s+$',
    '(x+x+)+y',
    '^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}([a-z]{2,3})$',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$',
    '(.*)\\1'.slice(0, 4),
    'f.*o',
    '^(?:.*,){11}P',
    '^a{0,300}a{0,300}a{0,300}$',
    '^a*a{0,500}b$',
    '(a|b|ab)*c',
    '^(a?){50}a{50}$',
  ]
  test.each(evil)('%s on 1 MB', (source) => {
    const { regexp, size } = judgePattern(source)
    expect(size).toBeGreaterThan(0)
    for (const text of ['a'.repeat(MB), ' '.repeat(MB), 'a@'.repeat(MB / 2), '=,x'.repeat(MB / 3)]) {
      const start = performance.now()
      regexp.test(`${text}!`)
      expect(performance.now() - start).toBeLessThan(2000)
    }
  })
})

describe('native ones on 1 MB', () => {
  test.each(['^[a-z]+$', '^.*$', '^[a-z0-9]+\\.example\\.com$', '\\S', '[A-Z]{2,5}', '^a$|^b$', '[ab]c'])(
    '%s',
    (source) => {
      const { regexp, size } = judgePattern(source)
      expect(size).toBe(0)
      for (const text of ['a'.repeat(MB), ' '.repeat(MB), 'A '.repeat(MB / 2), '.example'.repeat(MB / 8)]) {
        const start = performance.now()
        regexp.test(`${text}\n`)
        expect(performance.now() - start).toBeLessThan(300)
      }
    },
  )
})

describe('a pattern that cannot be taken is refused with the reason and what to write', () => {
  test.each([
    ['^\\-$', 'no escape under the u flag', 'Write - without the backslash, in [ ] at the end.'],
    ['\\a', 'no escape under the u flag', 'Write a without the backslash.'],
    ['\\😀', '\\😀 in the pattern', 'Write 😀 without'],
    ['\\', 'ends in a backslash', 'Write \\\\'],
    ['(?=a)', 'looks ahead or behind', 'allOf'],
    ['(?!a)', 'looks ahead or behind', 'allOf'],
    ['(?<=a)', 'looks ahead or behind', 'allOf'],
    ['(?<!a)b', 'looks ahead or behind', 'allOf'],
    ['(a)\\1', 'refers back', 'alternatives'],
    ['(?<n>a)\\k<n>', 'refers back', 'alternatives'],
    ['(?i:a)', 'flags', '[Aa]'],
    ['(?i)a', 'flags', '[Aa]'],
    ['a{1001}', 'more than 1000 times', 'maxLength'],
    ['a{1,1001}', 'more than 1000 times', 'maxLength'],
    ['(a{2,1000}b){2,1000}', 'too large', 'maxLength'],
    ['^a{0,1000}a{0,1000}a{0,1000}$', 'too large', 'maxLength'],
    ['{', 'stands alone', '\\{'],
    ['a{b', 'starts no repeat', '\\{'],
    ['}', 'stands alone', '\\}'],
    [']', 'stands alone', '\\]'],
    ['*a', 'repeats nothing', '\\*'],
    ['a**', 'repeats nothing', '\\*'],
    ['^*', 'matches no text', 'Remove the quantifier'],
    ['(a', 'not closed', '\\('],
    ['a)', 'no ( before it', '\\)'],
    ['[a', 'not closed', '\\['],
    ['[b-a]', 'from a lower to a higher', 'at the end'],
    ['[\\d-z]', 'no regular expression', 'simpler'],
    ['[a-\\d]', 'from a lower to a higher', 'at the end'],
    ['a{2,1}', 'no regular expression', 'simpler'],
    ['(?<1>a)', 'no regular expression', 'simpler'],
    ['\\p', 'names no property', '\\p{L}'],
    ['\\p{Nonsense}', 'no regular expression', 'simpler'],
    ['(\\p{Script_Extensions=Greek}+)+', 'property that is not known', '\\p{L}'],
    ['\\u{110000}', 'beyond U+10FFFF', 'Correct'],
    ['\\01', 'no escape under the u flag', 'without the backslash'],
  ])('%s', (source, reason, instead) => {
    const flaw = flawOf(source)
    expect(flaw?.message).toContain(reason)
    expect(flaw?.instead).toContain(instead)
    expect(flaw?.message).not.toMatch(/SyntaxError|Invalid|RE2/)
  })

  function flawOf(source: string): PatternFlaw | undefined {
    try {
      linearPattern(source)
    } catch (thrown) {
      if (thrown instanceof PatternFlaw) return thrown
      throw thrown
    }
    return undefined
  }
})

test.each([
  ['(.)+', ['a', '\n', '\r', '\u2028', '\u2029', '', '😀']],
  ['^(\\s)+$', [' ', '\v', '\u00a0', '\ufeff', '\u2003', '\u180e', '\u0085', 'a']],
  ['^(\\S|x)+$', [' ', '\v', '\u00a0', 'a', '']],
  ['^([^])+$', ['\n', '', 'a']],
  ['([])+', ['a', '']],
  ['(a+)+$', ['a\n', 'ba', 'ab']],
  ['(\\bfoo\\b)+', ['a foo b', 'afoo', 'éfoo']],
  ['(\\Boo)+', ['foo', 'oo']],
  ['(\\u{1F600}|\\uD83D\\uDE01|\\x41|\\cA|\\0|\\t)+$', ['😀', '😁', 'A', '\x01', '\0', '\t', 'z']],
  ['^(\\p{Letter}|\\p{Script=Greek}|\\p{gc=Nd})+$', ['a', 'λ', '1', '-', 'é']],
  ['^(\\P{L})+$', ['a', '1']],
  ['^([^\\p{L}x-z])+$', ['a', '1', 'y']],
  ['^([\\W_])+$', ['a', '_', '-', 'é']],
  ['^([\\b-])+$', ['\b', '-', 'b']],
  ['^(?:(?<year>\\d{4})|x)+$', ['2026', 'x2026', '20']],
  ['(\\/|\\.|\\^)+', ['/', '.', '^', 'a']],
  ['([\ud800])+', ['\ud800', '\ud801', '😀']],
])('%s means the same in both engines', (source, texts) => {
  // Repeated, it means the same and is not for the native engine.
  const { regexp, size } = judgePattern(`(?:${source})+`)
  expect(size).toBeGreaterThan(0)
  const native = new RegExp(source, 'u')
  expect(texts.map((text) => [text, regexp.test(text)])).toEqual(
    texts.map((text) => [text, native.test(text)]),
  )
})

test('any pattern that is taken means what ECMA-262 says', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '\\d',
    '\\s',
    '\\w',
    '\\W',
    '[ab]',
    '[^a]',
    '[a-c\\d]',
    '\\.',
    'é',
    '😀',
    '\\b',
    '^',
    '$',
  )
  const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
    part: fc.oneof(
      { depthSize: 'small' },
      atom,
      fc
        .tuple(tie('pattern'), fc.constantFrom('', '*', '+', '?', '{2}', '{0,3}', '{1,}', '*?'))
        .map(([inner, times]) => `(${inner})${times}`),
      fc
        .tuple(fc.constantFrom('a', '.', '[ab]', '\\w'), fc.constantFrom('*', '+', '?', '{2,3}', '+?'))
        .map((parts) => parts.join('')),
    ),
    pattern: fc.oneof(
      fc.array(tie('part'), { maxLength: 4 }).map((parts) => parts.join('')),
      fc.tuple(tie('part'), tie('part')).map((parts) => parts.join('|')),
    ),
  }))
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n', 'é', '😀', '.'),
    maxLength: 8,
  })
  check(1500, fc.tuple(pattern, fc.array(text, { maxLength: 6 })), ([source, texts]) => {
    const regexp = linearPattern(source)
    const native = new RegExp(source, 'u')
    for (const one of texts) expect(regexp.test(one)).toBe(native.test(one))
  })
})

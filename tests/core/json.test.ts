import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { changedNumberAt, jsonFlaw } from '../../src/core/json.ts'
import { check } from './property.ts'

/** How many arrays and objects deep a value is, by counting brackets outside of strings in its text. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[[\]{}]/g) ?? []) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth--
  }
  return deepest
}

test('the depth of any JSON is measured right', () => {
  const deep = fc.jsonValue({ maxDepth: 12, depthSize: 'max' })
  check(2000, fc.tuple(deep, fc.nat(14)), ([value, depth_max]) => {
    const text = JSON.stringify(value)
    expect(jsonFlaw(JSON.parse(text), depth_max) === 'depth').toBe(depthOf(text) > depth_max)
  })
})

test('nesting under __proto__ and other names of the language counts', () => {
  expect(jsonFlaw(JSON.parse('{"__proto__":{"constructor":[]}}'), 2)).toBe('depth')
  expect(jsonFlaw(JSON.parse('{"__proto__":{"constructor":[]}}'), 3)).toBeUndefined()
})

test('a very deep value is refused without descending into it', () => {
  let value: unknown = 1
  for (let i = 0; i < 200_000; i++) value = [value]
  expect(jsonFlaw(value, 64)).toBe('depth')
})

test.each([
  ['12345678901234567890', ''],
  ['-9007199254740993', ''],
  ['[1, {"a/b": [0, 1e999]}]', '/1/a~1b/1'],
  ['{"deep": {"er": -1e400}}', '/deep/er'],
])('a number that has been changed in reading %s is found at %p', (text, at) => {
  expect(jsonFlaw(JSON.parse(text), 64)).toBe('number')
  expect(changedNumberAt(JSON.parse(text))).toBe(at)
})

test.each(['9007199254740991', '-9007199254740991', '1e300', '6.02e23', '0.1', '-0', '1e-400', '"1e999"'])(
  'a number such as %s is taken',
  (text) => {
    expect(jsonFlaw(JSON.parse(text), 64)).toBeUndefined()
    expect(changedNumberAt(JSON.parse(text))).toBeUndefined()
  },
)

test('too deep goes before a changed number', () => {
  expect(jsonFlaw(JSON.parse('[1e999, [[[]]]]'), 3)).toBe('depth')
})

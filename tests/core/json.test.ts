import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { jsonDepthExceeds } from '../../src/core/json.ts'
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
    expect(jsonDepthExceeds(JSON.parse(text), depth_max)).toBe(depthOf(text) > depth_max)
  })
})

test('nesting under __proto__ and other names of the language counts', () => {
  expect(jsonDepthExceeds(JSON.parse('{"__proto__":{"constructor":[]}}'), 2)).toBeTrue()
  expect(jsonDepthExceeds(JSON.parse('{"__proto__":{"constructor":[]}}'), 3)).toBeFalse()
})

test('a very deep value is refused without descending into it', () => {
  let value: unknown = 1
  for (let i = 0; i < 200_000; i++) value = [value]
  expect(jsonDepthExceeds(value, 64)).toBeTrue()
})

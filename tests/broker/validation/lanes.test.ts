import { expect, test } from 'bun:test'
import { Lanes } from '../../../src/broker/validation/lanes.ts'

function takeAll(lanes: Lanes<string>): string {
  let taken = ''
  for (let item = lanes.take(); item !== undefined; item = lanes.take()) taken += item
  return taken
}

function pushAll(lanes: Lanes<string>, lane: number, items: string): void {
  for (const item of items) expect(lanes.push(lane, 'p', 's', item)).toBeUndefined()
}

test('a lane goes before those after it, each in its own order', () => {
  const lanes = new Lanes<string>([9, 9, 9])
  expect(lanes.empty).toBeTrue()
  pushAll(lanes, 2, 'z')
  pushAll(lanes, 1, 'mn')
  pushAll(lanes, 0, 'ab')
  expect(lanes.empty).toBeFalse()
  expect(takeAll(lanes)).toBe('abmnz')
  expect(lanes.empty).toBeTrue()
})

test('after four in a row, a later lane has one', () => {
  const lanes = new Lanes<string>([99, 99, 99])
  pushAll(lanes, 1, 'mno')
  pushAll(lanes, 2, 'z')
  pushAll(lanes, 0, 'abcdefghij')
  expect(takeAll(lanes)).toBe('abcdmefghnijoz')
})

test('the last lane has its turn too, however busy the others are', () => {
  const lanes = new Lanes<string>([999, 999, 999])
  pushAll(lanes, 2, 'z')
  pushAll(lanes, 1, 'm'.repeat(100))
  pushAll(lanes, 0, 'a'.repeat(100))
  expect(takeAll(lanes).indexOf('z')).toBeLessThan(30)
})

test('a full lane refuses nothing of another', () => {
  const lanes = new Lanes<string>([1, 1])
  pushAll(lanes, 1, 'm')
  expect(lanes.push(1, 'p', 's', 'n')).toBe('n')
  expect(lanes.push(0, 'p', 's', 'a')).toBeUndefined()
  expect(takeAll(lanes)).toBe('am')
})

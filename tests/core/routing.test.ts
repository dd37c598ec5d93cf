import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { nearestNames } from '../../src/core/routing.ts'
import { check } from './property.ts'

const name = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,24}$/)

describe('the nearest names', () => {
  test.each([
    ['fronted', ['frontend']],
    ['FrontEnd', ['frontend']],
    ['front', ['frontend']],
    ['frontend-2', ['frontend']],
    ['backedn', ['backend']],
    ['xyzzy', []],
  ])('to %s are %j', (wanted, near) => {
    expect(nearestNames(wanted, ['frontend', 'backend', 'reviewer'])).toEqual(near)
  })

  test('are known, different, as many as asked for, and the same in whatever order the known ones come', () => {
    const known = fc.uniqueArray(name, { maxLength: 40 })
    check(1000, fc.tuple(name, known, fc.integer({ min: 1, max: 5 })), ([wanted, known, limit]) => {
      const near = nearestNames(wanted, known, limit)
      expect(near.length).toBeLessThanOrEqual(limit)
      expect(new Set(near).size).toBe(near.length)
      for (const one of near) expect(known).toContain(one)
      expect(nearestNames(wanted, [...known].reverse(), limit)).toEqual(near)
      if (known.includes(wanted)) expect(near.length).toBeGreaterThan(0)
    })
  })

  test('are sought among a bounded number, so that a hint stays cheap', () => {
    let looked = 0
    function* endless() {
      for (;;) yield `name-${looked++}`
    }
    expect(nearestNames('nothing like it', endless())).toEqual([])
    expect(looked).toBeLessThanOrEqual(1001)
  })
})

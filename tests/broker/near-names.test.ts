import { expect, test } from 'bun:test'
import { NearNames } from '../../src/broker/near-names.ts'

test('what was found is kept for a second, and there is a bound to how often is looked', () => {
  let now = 0
  let looks = 0
  const near = new NearNames(() => now)
  const of = (wanted: string) =>
    near.of('p', wanted, () => {
      looks++
      return ['backend', 'frontend']
    })
  for (let i = 0; i < 5; i++) expect(of('bakcend')).toEqual(['backend'])
  expect(looks).toBe(1)
  for (let i = 0; i < 1000; i++) of(`other-${i}`)
  expect(looks).toBe(100)
  expect(of('bakcend')).toEqual(['backend'])
  expect(of('fronted')).toEqual([])
  now = 1000
  expect(of('fronted')).toEqual(['frontend'])
})

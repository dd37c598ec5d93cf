import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { RedisRecords } from '../../../src/engine/redis/records/records.ts'
import type { Run } from '../../../src/engine/redis/script.ts'
import { recordsContract } from '../../contracts/records.ts'
import type { Change } from '../../contracts/records-rig.ts'
import { Random } from '../../simulation/random.ts'
import { Bench } from './bench.ts'

let bench: Bench
let made = 0

beforeAll(async () => {
  bench = await Bench.start()
})
afterAll(() => bench[Symbol.asyncDispose]())

function make(run: Run = (...call) => bench.run(...call), prefix = `r${++made}:`, instance = 'i1') {
  const changed: Change[] = []
  const records = new RedisRecords({ run, prefix, instance, changed: (...change) => changed.push(change) })
  return { records, changed, prefix, [Symbol.asyncDispose]: async () => undefined }
}

recordsContract('redis', () => make())

describe('records in Redis', () => {
  test('a change whose answer was lost is made once, and answered as it was', async () => {
    const random = new Random(11)
    /** Makes every other call twice, as if the first answer had been lost. */
    const twice: Run = async (...call) => {
      const first = await bench.run(...call)
      if (random.chance(0.5)) return first
      const second = await bench.run(...call)
      expect(second).toEqual(first)
      return second
    }
    const { records } = make(twice)
    let version = 0
    for (let n = 0; n < 40; n++) {
      const value = n % 5 === 4 ? undefined : n
      const put = await records.put('k', 'p', 'a', value, value === undefined ? version : undefined)
      expect(put).toEqual({ ok: true, version: version + 1 })
      version = put.version
    }
  })

  test('of two instances that replace the same version, one does', async () => {
    const first = make()
    const second = make(undefined, first.prefix, 'i2')
    await first.records.put('k', 'p', 'a', 0, 0)
    for (let version = 1; version < 20; version++) {
      const done = await Promise.all(
        [first, second].map(({ records }, i) => records.put('k', 'p', 'a', i, version)),
      )
      expect(done.map(({ ok }) => ok).toSorted()).toEqual([false, true])
      expect(done.map((put) => put.version)).toEqual([version + 1, version + 1])
    }
  })

  test('a change that fails does not hold up the next', async () => {
    let fails = true
    const { records } = make((...call) => {
      if (!fails) return bench.run(...call)
      fails = false
      return Promise.reject(new Error('no connection'))
    })
    const first = records.put('k', 'p', 'a', 1, undefined)
    const second = records.put('k', 'p', 'a', 2, undefined)
    await expect(first).rejects.toThrow('no connection')
    expect(await second).toEqual({ ok: true, version: 1 })
  })

  test('a page of large records ends before its limit', async () => {
    const { records } = make()
    for (let n = 0; n < 5; n++) await records.put('k', 'p', `a${n}`, 'x'.repeat(400_000), 0)
    const page = await records.list('k', 'p', '', undefined, 100)
    expect(page.items.map(({ id }) => id)).toEqual(['a0', 'a1'])
    expect(page.next).toBe('a1')
  })
})

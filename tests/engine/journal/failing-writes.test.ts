import { expect, test } from 'bun:test'
import { StorageFailed } from '../../../src/core/errors.ts'
import { Bench } from './bench.ts'

/** Writes that fail in all that a test does. */
const ALL = 1_000_000

test('a journal whose writes fail is not ready, says why, and finds out by itself that they work again', async () => {
  const bench = await Bench.start({ segment_bytes: 64 * 1024, reserve_bytes: 0 })
  bench.disk.space = 1_000_000
  for (let n = 0; n < 10; n++) expect(bench.send('r', 100)).toBe('stored')
  bench.disk.write_failures = ALL
  expect(bench.send('r', 100)).toBe('failed')
  expect(bench.engine.health()).toEqual({
    ok: false,
    detail: expect.stringMatching(/^\/data \(\d+ bytes free\): writing fails: EIO$/),
  })
  // Not even the note of a delivery could be written.
  await bench.pass(3)
  expect(() => bench.take('r', 'manual')).toThrow(StorageFailed)
  expect(bench.take('r', 'none')).toHaveLength(10)
  expect(bench.reports).toEqual(['writing fails: EIO'])

  // Nobody calls, since it is not ready.
  bench.disk.write_failures = 0
  await bench.pass(2)
  expect(bench.engine.health()).toEqual({ ok: true })
  expect(bench.send('r', 100)).toBe('stored')
  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  expect(bench.take('r', 'auto')).toHaveLength(11)
})

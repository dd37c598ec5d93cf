import { describe, expect, test } from 'bun:test'
import type { Records } from '../../src/engine/engine.ts'
import { MemoryRecords } from '../../src/engine/memory/records.ts'
import { recordsContract } from '../contracts/records.ts'
import type { Change, RecordsRig } from '../contracts/records-rig.ts'

/** @param onChange is called as the change is told */
function makeMemoryRecords(onChange: (records: MemoryRecords, change: Change) => unknown = () => undefined) {
  const changed: Change[] = []
  const records: MemoryRecords = new MemoryRecords((...change) => {
    changed.push(change)
    onChange(records, change)
  })
  return { records, changed, [Symbol.asyncDispose]: async () => undefined }
}

recordsContract('memory', () => makeMemoryRecords())

/** The same as if they were elsewhere: each answer takes a turn, and a change is told after it, twice. */
function makeLateRecords(): RecordsRig {
  const changed: Change[] = []
  const later = () => new Promise((resolve) => setImmediate(resolve))
  const { records } = makeMemoryRecords(async (_, change) => {
    for (let times = 0; times < 2; times++) {
      await later()
      await later()
      changed.push(change)
    }
  })
  const late: Records = {
    get: async (...args) => {
      await later()
      return records.get(...args)
    },
    put: async (kind, project, id, value, expected) => {
      const copy = structuredClone(value)
      await later()
      return records.put(kind, project, id, copy, expected)
    },
    list: async (...args) => {
      await later()
      return records.list(...args)
    },
  }
  return { records: late, changed, [Symbol.asyncDispose]: async () => undefined }
}

recordsContract('late', makeLateRecords)

describe('records in memory', () => {
  test('answer at once, and tell each change once, as soon as it is made', () => {
    const seen: unknown[] = []
    const { records, changed } = makeMemoryRecords((records, [kind, project, id]) =>
      seen.push(records.get(kind, project, id)),
    )
    expect(records.put('k', 'p', 'a', 'x', undefined)).toEqual({ ok: true, version: 1 })
    records.put('k', 'p', 'a', 'y', 9)
    records.put('k', 'p', 'a', undefined, 1)
    records.put('k', 'p', 'a', undefined, undefined)
    expect(changed).toEqual([
      ['k', 'p', 'a', 1],
      ['k', 'p', 'a', 2],
    ])
    expect(seen).toEqual([{ id: 'a', value: 'x', version: 1 }, undefined])
  })

  test('a new record begins above the highest version deleted from its kind and project', () => {
    const { records } = makeMemoryRecords()
    for (let n = 0; n < 5; n++) records.put('k', 'p', 'a', n, undefined)
    expect(records.put('k', 'p', 'a', undefined, undefined).version).toBe(6)
    records.put('k', 'p', 'b', 0, undefined)
    for (const id of ['c', 'a']) expect(records.put('k', 'p', id, 0, 0).version).toBe(7)
    expect(records.put('k', 'q', 'a', 0, 0).version).toBe(1)
    expect(records.put('l', 'p', 'a', 0, 0).version).toBe(1)
  })

  test('a value that cannot be copied changes nothing', () => {
    const { records, changed } = makeMemoryRecords()
    records.put('k', 'p', 'a', 'x', undefined)
    expect(() => records.put('k', 'p', 'a', { f: () => 1 }, undefined)).toThrow('clone')
    expect(records.get('k', 'p', 'a')).toEqual({ id: 'a', value: 'x', version: 1 })
    expect(changed).toHaveLength(1)
  })
})

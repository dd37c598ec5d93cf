import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkAsync } from '../core/property.ts'
import { idsOf, type MakeRecords, pages, type RecordsRig } from './records-rig.ts'

/** In order. */
const ORDERED = ['', '10', '9', 'B', 'B:1', 'Ba', 'a', 'a\0', 'a b', 'a:b', 'aa', 'b', 'é', '\u{1f600}']

async function filled(make: MakeRecords, ids: readonly string[]): Promise<RecordsRig> {
  const rig = await make()
  for (const id of ids.toReversed()) await rig.records.put('k', 'p', id, { of: id }, undefined)
  return rig
}

/** A change that comes between two pages: to the record of this number. */
type Churn = { readonly does: 'put' | 'delete'; readonly n: number }

const churn = fc.record<Churn>({ does: fc.constantFrom('put', 'delete'), n: fc.nat(39) })

export function listContract(make: MakeRecords): void {
  test('are in order of id, with values and versions', async () => {
    await using rig = await filled(make, ORDERED)
    const { records } = rig
    await records.put('k', 'p', '9', 'again', 1)
    const { items, next } = await records.list('k', 'p', '', undefined, 100)
    expect(items).toEqual(
      ORDERED.map((id) =>
        id === '9' ? { id, value: 'again', version: 2 } : { id, value: { of: id }, version: 1 },
      ),
    )
    expect(next).toBeUndefined()
  })

  test.each([1, 2, 5, ORDERED.length - 1, ORDERED.length, ORDERED.length + 1])(
    'come in pages of %i, the last without a next',
    async (limit) => {
      await using rig = await filled(make, ORDERED)
      const found = await pages(rig.records, ['k', 'p', ''], limit)
      expect(idsOf(...found)).toEqual(ORDERED)
      expect(found).toHaveLength(Math.ceil(ORDERED.length / limit))
      for (const page of found.slice(0, -1)) {
        expect(page.items).toHaveLength(limit)
        expect(page.next).toBe(page.items.at(-1)!.id)
      }
    },
  )

  test('are empty where there is nothing, or nothing more', async () => {
    await using rig = await filled(make, ['a', 'b'])
    const { records } = rig
    const nothing = { items: [], next: undefined }
    expect(await records.list('other', 'p', '', undefined, 9)).toEqual(nothing)
    expect(await records.list('k', 'other', '', undefined, 9)).toEqual(nothing)
    expect(await records.list('k', 'p', 'c', undefined, 9)).toEqual(nothing)
    expect(await records.list('k', 'p', '', 'b', 9)).toEqual(nothing)
    await records.put('k', 'p', 'a', undefined, undefined)
    await records.put('k', 'p', 'b', undefined, undefined)
    expect(await records.list('k', 'p', '', undefined, 9)).toEqual(nothing)
  })

  test('go on after an id that is there no more, or never was', async () => {
    await using rig = await filled(make, ['a', 'b', 'd'])
    const { records } = rig
    await records.put('k', 'p', 'b', undefined, undefined)
    for (const after of ['b', 'c', 'a\0'])
      expect(idsOf(await records.list('k', 'p', '', after, 9))).toEqual(['d'])
    expect(idsOf(await records.list('k', 'p', '', '', 9))).toEqual(['a', 'd'])
  })

  test.each(['*', '?', '[a]', '%', '_', '\\', '^', 'a', '\0', '\uffff', '\u{10ffff}', ':', '__proto__'])(
    'have all that begin with a prefix, and only those: %j',
    async (prefix) => {
      const last = prefix === '\uffff' ? '\uffff' : '\u{10ffff}'
      const inside = [prefix, `${prefix}\0`, `${prefix}b`, `${prefix}b${prefix}`, `${prefix}${last}${last}`]
      const outside = ['', '!', 'A', `A${prefix}`, '~', `~${prefix}`]
      await using rig = await filled(make, [...inside, ...outside])
      for (const limit of [2, inside.length, 100])
        expect(idsOf(...(await pages(rig.records, ['k', 'p', prefix], limit)))).toEqual(inside)
    },
  )

  test('begin no earlier than their prefix, and no earlier than the page before', async () => {
    await using rig = await filled(make, ['a', 'b', 'b1', 'b2', 'c'])
    const after = async (id: string) => idsOf(await rig.records.list('k', 'p', 'b', id, 9))
    expect(await after('')).toEqual(['b', 'b1', 'b2'])
    expect(await after('a')).toEqual(['b', 'b1', 'b2'])
    expect(await after('b')).toEqual(['b1', 'b2'])
    expect(await after('b1x')).toEqual(['b2'])
    expect(await after('c')).toEqual([])
  })

  test('a page that ends with the last of its prefix has no next', async () => {
    await using rig = await filled(make, ['b', 'b1', 'c'])
    expect((await rig.records.list('k', 'p', 'b', undefined, 2)).next).toBeUndefined()
    expect((await rig.records.list('k', 'p', 'b', undefined, 1)).next).toBe('b')
  })

  test('a list has every record once that was there all along, whatever else changes meanwhile', () => {
    const scenario = fc.record({
      stable: fc.uniqueArray(fc.nat(39), { maxLength: 20 }),
      between: fc.array(fc.array(churn, { maxLength: 8 }), { maxLength: 20 }),
      limit: fc.integer({ min: 1, max: 7 }),
    })
    return checkAsync(100, scenario, async ({ stable, between, limit }) => {
      await using rig = await make()
      const { records } = rig
      const idOf = (n: number) => `x${n.toString(2)}`
      for (let n = 0; n < 40; n += 2) await records.put('k', 'p', idOf(n), n, undefined)
      for (const n of stable) await records.put('k', 'p', idOf(n), n, undefined)
      for (const outside of ['w', 'y']) await records.put('k', 'p', outside, 0, undefined)
      const rounds = between.values()
      const running: unknown[] = []
      const found = await pages(records, ['k', 'p', 'x'], limit, () => {
        for (const { does, n } of rounds.next().value ?? [])
          if (does === 'put') running.push(records.put('k', 'p', idOf(n), -n, undefined))
          else if (!stable.includes(n)) running.push(records.put('k', 'p', idOf(n), undefined, undefined))
      })
      await Promise.all(running)
      const ids = idsOf(...found)
      expect(ids).toEqual([...new Set(ids)].sort())
      for (const n of stable) expect(ids).toContain(idOf(n))
    })
  })
}

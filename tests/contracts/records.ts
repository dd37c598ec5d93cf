import { describe, expect, test } from 'bun:test'
import { listContract } from './records-lists.ts'
import { modelContract } from './records-model.ts'
import { hears, idsOf, type MakeRecords } from './records-rig.ts'
import { versionContract } from './records-versions.ts'

/**
 * What the records of every engine promise, tested through their interface alone. Answers may be promises,
 * and changes may be told after them, in another order, and more than once.
 *
 * Ids are ordered by their text. Where the order of UTF-16 code units and that of UTF-8 bytes differ, which
 * is between characters beyond U+FFFF and those from U+E000 to U+FFFF, it is left open.
 */
export function recordsContract(name: string, make: MakeRecords): void {
  describe(`the records of the ${name} engine`, () => {
    describe('versions', () => versionContract(make))
    describe('lists', () => listContract(make))
    describe('names and values', () => contentContract(make))
    describe('many steps', () => modelContract(make))
  })
}

function contentContract(make: MakeRecords): void {
  test.each([
    [null],
    [false],
    [0],
    [''],
    [[]],
    [{}],
    [[null, [1.5, -0.25, 1e300], 'é\u{1f600}\0"\\']],
    [JSON.parse('{"__proto__": {"a": 1}, "constructor": null, "": {"toString": [2]}}')],
  ])('any JSON is a value: %j', async (value) => {
    await using rig = await make()
    const { records } = rig
    expect(await records.put('k', 'p', 'a', value, undefined)).toEqual({ ok: true, version: 1 })
    expect(JSON.stringify((await records.get('k', 'p', 'a'))?.value)).toBe(JSON.stringify(value))
    const { items } = await records.list('k', 'p', '', undefined, 9)
    expect(JSON.stringify(items[0]?.value)).toBe(JSON.stringify(value))
  })

  test('values are copies: what a caller does to one reaches nobody else', async () => {
    await using rig = await make()
    const { records } = rig
    type Value = { list: number[] }
    const read = async () => (await records.get('k', 'p', 'a'))!.value as Value
    const listed = async () => (await records.list('k', 'p', '', undefined, 9)).items[0]!.value as Value
    const value = { list: [1] }
    const answer = records.put('k', 'p', 'a', value, undefined)
    value.list.push(2)
    await answer
    value.list.push(3)
    for (const look of [read, listed, read, listed]) {
      const seen = await look()
      expect(seen).toEqual({ list: [1] })
      seen.list.push(4)
    }
  })

  test('kinds and projects keep apart, whatever they and the ids are called', async () => {
    await using rig = await make()
    const { records } = rig
    const names = ['', 'a', ':', 'a:', ':a', '__proto__', 'constructor', 'x\0y', '{a}', '*']
    const places = names.flatMap((kind) =>
      names.flatMap((project) => names.map((id) => [kind, project, id] as const)),
    )
    for (const [kind, project, id] of places) {
      expect(await records.get(kind, project, id)).toBeUndefined()
      const value = [kind, project, id]
      expect(await records.put(kind, project, id, value, 0)).toEqual({ ok: true, version: 1 })
    }
    for (const [kind, project, id] of places)
      expect(await records.get(kind, project, id)).toEqual({ id, value: [kind, project, id], version: 1 })
    const [kind, project] = ['__proto__', ':'] as const
    for (const id of names) await records.put(kind, project, id, undefined, 1)
    for (const other of names)
      expect(idsOf(await records.list(other, project, '', undefined, 99))).toEqual(
        other === kind ? [] : [...names].sort(),
      )
    await hears(rig, [
      ...places.map((place) => [...place, 1] as const),
      ...names.map((id) => [kind, project, id, 2] as const),
    ])
  })

  test('ids are told apart by every character, and are of any length', async () => {
    await using rig = await make()
    const { records } = rig
    const ids = [...' \t\n\0Eeé"/\'\uffff\u{1f600}\u{1f601}', '  ', '\r\n', '\0\0', 'e\u0301', '../a', '%2F']
    ids.push('-1', '1', '1.0', '01', 'toString', 'hasOwnProperty', 'x'.repeat(1000), 'x'.repeat(1001))
    for (const id of ids) expect((await records.put('k', 'p', id, { id }, 0)).ok).toBeTrue()
    for (const id of ids) expect(await records.get('k', 'p', id)).toEqual({ id, value: { id }, version: 1 })
    const { items } = await records.list('k', 'p', '', undefined, 99)
    expect(items.map(({ id }) => id).sort()).toEqual(ids.toSorted())
  })
}

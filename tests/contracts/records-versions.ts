import { expect, test } from 'bun:test'
import { type Change, hears, idsOf, type MakeRecords } from './records-rig.ts'

export function versionContract(make: MakeRecords): void {
  test('rise from 1 with each put, whatever the value, and each is told', async () => {
    await using rig = await make()
    const { records } = rig
    expect(await records.get('k', 'p', 'a')).toBeUndefined()
    expect(await records.put('k', 'p', 'a', { x: 1 }, undefined)).toEqual({ ok: true, version: 1 })
    expect(await records.get('k', 'p', 'a')).toEqual({ id: 'a', value: { x: 1 }, version: 1 })
    expect(await records.put('k', 'p', 'a', { x: 1 }, undefined)).toEqual({ ok: true, version: 2 })
    expect(await records.put('k', 'p', 'a', ['y'], 2)).toEqual({ ok: true, version: 3 })
    expect(await records.get('k', 'p', 'a')).toEqual({ id: 'a', value: ['y'], version: 3 })
    expect(await records.put('k', 'p', 'b', 1, 0)).toEqual({ ok: true, version: 1 })
    await hears(rig, [...[1, 2, 3].map((version) => ['k', 'p', 'a', version] as const), ['k', 'p', 'b', 1]])
  })

  test('another version than expected changes nothing, tells nothing, answers the version now', async () => {
    await using rig = await make()
    const { records } = rig
    for (const value of [{ x: 1 }, undefined])
      for (const expected of [1, 2, -1])
        expect(await records.put('k', 'p', 'a', value, expected)).toEqual({ ok: false, version: 0 })
    expect(await records.get('k', 'p', 'a')).toBeUndefined()
    await records.put('k', 'p', 'a', 'first', undefined)
    await records.put('k', 'p', 'a', 'second', undefined)
    for (const value of ['third', undefined])
      for (const expected of [0, 1, 3])
        expect(await records.put('k', 'p', 'a', value, expected)).toEqual({ ok: false, version: 2 })
    expect(await records.get('k', 'p', 'a')).toEqual({ id: 'a', value: 'second', version: 2 })
    await records.put('k', 'p', 'last', 0, undefined)
    await hears(rig, [
      ['k', 'p', 'a', 1],
      ['k', 'p', 'a', 2],
      ['k', 'p', 'last', 1],
    ])
  })

  test('a deletion takes one too, and is told', async () => {
    await using rig = await make()
    const { records } = rig
    for (const id of ['a', 'b', 'c']) await records.put('k', 'p', id, id, undefined)
    expect(await records.put('k', 'p', 'a', undefined, undefined)).toEqual({ ok: true, version: 2 })
    expect(await records.put('k', 'p', 'c', undefined, 1)).toEqual({ ok: true, version: 2 })
    expect(await records.get('k', 'p', 'a')).toBeUndefined()
    expect(idsOf(await records.list('k', 'p', '', undefined, 9))).toEqual(['b'])
    const deletions = ['a', 'c'].map((id) => ['k', 'p', id, 2] as const)
    await hears(rig, [...['a', 'b', 'c'].map((id) => ['k', 'p', id, 1] as const), ...deletions])
  })

  test('deleting what is not there succeeds, and is told to nobody', async () => {
    await using rig = await make()
    const { records } = rig
    const nothing = { ok: true, version: 0 }
    for (const expected of [undefined, 0])
      expect(await records.put('k', 'p', 'a', undefined, expected)).toEqual(nothing)
    await records.put('k', 'p', 'b', 'b', undefined)
    await records.put('k', 'p', 'b', undefined, undefined)
    for (const expected of [undefined, 0])
      expect(await records.put('k', 'p', 'b', undefined, expected)).toEqual(nothing)
    expect(await records.put('k', 'p', 'b', undefined, 2)).toEqual({ ok: false, version: 0 })
    await hears(rig, [
      ['k', 'p', 'b', 1],
      ['k', 'p', 'b', 2],
    ])
  })

  test('go on above those of a deletion when the record is made anew', async () => {
    await using rig = await make()
    const { records } = rig
    const told: Change[] = []
    const put = async (id: string, value: unknown, expected: number | undefined) => {
      const { ok, version } = await records.put('k', 'p', id, value, expected)
      expect(ok).toBeTrue()
      told.push(['k', 'p', id, version])
      return version
    }
    let last = 0
    for (let round = 0; round < 3; round++) {
      const anew = await put('a', round, 0)
      expect(anew).toBeGreaterThan(last)
      expect(await records.put('k', 'p', 'a', 'late', last)).toEqual({ ok: false, version: anew })
      expect(await put('a', round, anew)).toBe(anew + 1)
      expect(await records.get('k', 'p', 'a')).toEqual({ id: 'a', value: round, version: anew + 1 })
      await put('b', round, undefined)
      last = await put('a', undefined, anew + 1)
      expect(last).toBe(anew + 2)
      await put('b', undefined, undefined)
      expect(await records.put('k', 'p', 'a', 'late', last)).toEqual({ ok: false, version: 0 })
    }
    await hears(rig, told)
  })

  test.each([
    ['a first value', undefined, 'mine'],
    ['a new value', 'old', 'mine'],
    ['a deletion', 'old', undefined],
  ])('of many writers that expect the same version one wins: %s', async (_, old, mine) => {
    await using rig = await make()
    const { records } = rig
    if (old !== undefined) await records.put('k', 'p', 'a', old, undefined)
    const expected = old === undefined ? 0 : 1
    const values = Array.from({ length: 8 }, (_, n) => mine && `${mine} ${n}`)
    const answers = await Promise.all(values.map((value) => records.put('k', 'p', 'a', value, expected)))
    // A deletion that finds the record gone is refused too: it names a version.
    expect(answers.filter(({ ok }) => ok)).toEqual([{ ok: true, version: expected + 1 }])
    const losers = answers.filter(({ ok }) => !ok)
    for (const { version } of losers) expect(version).toBe(mine === undefined ? 0 : expected + 1)
    const value = values[answers.findIndex(({ ok }) => ok)]
    expect((await records.get('k', 'p', 'a'))?.value).toBe(value)
  })

  test('a counter loses no step, however many count', async () => {
    await using rig = await make()
    const { records } = rig
    const count = async () => {
      for (;;) {
        const before = await records.get('k', 'p', 'a')
        const value = ((before?.value as number | undefined) ?? 0) + 1
        if ((await records.put('k', 'p', 'a', value, before?.version ?? 0)).ok) return
      }
    }
    await Promise.all(Array.from({ length: 8 }, count))
    expect(await records.get('k', 'p', 'a')).toEqual({ id: 'a', value: 8, version: 8 })
  })
}

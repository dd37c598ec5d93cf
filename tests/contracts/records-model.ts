import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkAsync } from '../core/property.ts'
import { type Change, hears, type MakeRecords, pages } from './records-rig.ts'

type Place = readonly [kind: string, project: string, id: string]

/** Which version a put expects: any, none, the record's latest, or one that it once had. */
type Expects = 'any' | 'none' | 'latest' | 'older'

type Step =
  | { readonly do: 'put' | 'delete'; readonly place: Place; readonly expects: Expects }
  | { readonly do: 'list'; readonly place: Place; readonly prefix: string; readonly limit: number }

const name = fc.constantFrom('', 'a', 'a:', 'ab', 'b', '__proto__')
const place: fc.Arbitrary<Place> = fc.tuple(fc.constantFrom('k', '__proto__'), fc.constantFrom('p', ''), name)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
    place,
    expects: fc.constantFrom<Expects[]>('any', 'none', 'latest', 'older'),
  }),
  fc.record({ do: fc.constant('list' as const), place, prefix: name, limit: fc.integer({ min: 1, max: 4 }) }),
)

/** A record as it should be. `version` is 0 while there is none. */
interface Modelled {
  value: unknown
  version: number
  /** The highest version that it ever had, its deletions included. */
  highest: number
}

/** All records of one store as they should be. */
class Model {
  readonly #records = new Map<string, Modelled>()

  at(place: Place): Modelled {
    const key = JSON.stringify(place)
    const known = this.#records.get(key) ?? { value: undefined, version: 0, highest: 0 }
    this.#records.set(key, known)
    return known
  }

  list(kind: string, project: string, prefix: string) {
    return [...this.#records]
      .map(([key, record]) => ({ ...record, place: JSON.parse(key) as Place }))
      .filter(({ place, version }) => version > 0 && place[0] === kind && place[1] === project)
      .map(({ place, value, version }) => ({ id: place[2], value, version }))
      .filter(({ id }) => id.startsWith(prefix))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }
}

function expectedVersion(expects: Expects, { version, highest }: Modelled): number | undefined {
  if (expects === 'any') return undefined
  if (expects === 'none') return 0
  return expects === 'latest' ? version : highest - 1
}

export function modelContract(make: MakeRecords): void {
  test('leave what a plain map with versions would hold, and tell each change', () =>
    checkAsync(100, fc.array(step, { maxLength: 60 }), async (steps) => {
      await using rig = await make()
      const { records } = rig
      const model = new Model()
      const told: Change[] = []
      for (const [n, step] of steps.entries()) {
        const [kind, project, id] = step.place
        if (step.do === 'list') {
          const found = await pages(records, [kind, project, step.prefix], step.limit)
          expect(found.flatMap(({ items }) => items)).toEqual(model.list(kind, project, step.prefix))
          continue
        }
        const record = model.at(step.place)
        const expected = expectedVersion(step.expects, record)
        const value = step.do === 'put' ? { n } : undefined
        const { ok, version } = await records.put(kind, project, id, value, expected)
        expect(ok).toBe(expected === undefined || expected === record.version)
        const changes = ok && (step.do === 'put' || record.version > 0)
        if (!changes) expect(version).toBe(record.version)
        else {
          if (record.version > 0) expect(version).toBe(record.version + 1)
          else expect(version).toBeGreaterThan(record.highest)
          Object.assign(record, { value, version: step.do === 'put' ? version : 0, highest: version })
          told.push([kind, project, id, version])
        }
        const now = record.version > 0 ? { id, value: record.value, version: record.version } : undefined
        expect(await records.get(kind, project, id)).toEqual(now)
      }
      await hears(rig, told)
    }))
}

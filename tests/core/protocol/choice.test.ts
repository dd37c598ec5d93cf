import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import maxSatisfying from 'semver/ranges/max-satisfying.js'
import {
  route,
  type Steps,
  sorted,
  type VersionRefusal,
  versionToDeliver,
  versionToSend,
} from '../../../src/core/protocol/negotiation/choice.ts'
import { satisfies } from '../../../src/core/protocol/versions.ts'
import { check } from '../property.ts'
import { adapted, registered, someRange, someVersion, someVersions } from './parties.ts'

const bridges = (...known: string[]): Steps => {
  const steps = adapted(known.map((one) => `lease ${one}`))
  return (from, to) => steps('lease', from, to)
}
const none = bridges()
const versions = (...known: string[]) => registered({ lease: known })('lease')

/** A choice of a send that names the protocol alone. */
function send(
  known: string[],
  sender_range: string | undefined,
  recipient_range: string | undefined,
  adapted: Steps = none,
) {
  return versionToSend({ versions: versions(...known), sender_range, recipient_range, adapted })
}

describe('a send by name alone', () => {
  test.each([
    ['the highest that both state', ['1.0.0', '1.2.0', '2.0.0'], '^1', '>=1 <3', '1.2.0'],
    ['not a deprecated one, while there is another', ['1.0.0', '1.2.0!'], '^1', '*', '1.0.0'],
    ['a deprecated one, when there is no other', ['1.0.0!', '1.2.0!'], '^1', '*', '1.2.0'],
    [
      'a prerelease that both name',
      ['1.0.0', '2.0.0-rc.1'],
      '>=1 || 2.0.0-rc.1',
      '>=2.0.0-0 || 1',
      '2.0.0-rc.1',
    ],
    [
      'no prerelease that one side does not name',
      ['1.0.0', '2.0.0-rc.1'],
      '>=1 || 2.0.0-rc.1',
      '>=1',
      '1.0.0',
    ],
    ["the highest of the sender's range", ['1.0.0', '1.2.0', '2.0.0'], '^1', undefined, '1.2.0'],
    ["the highest of the recipient's range", ['1.0.0', '1.2.0', '2.0.0'], undefined, '^1', '1.2.0'],
    ['the newest that is usable', ['1.0.0', '1.2.0!', '2.0.0-rc.1'], undefined, undefined, '1.0.0'],
    ['the newest', ['1.2.0!', '2.0.0-rc.1'], undefined, undefined, '2.0.0-rc.1'],
  ])('picks %s', (_, known, ours, theirs, version) => {
    expect(send(known, ours, theirs)).toEqual({ send: version, deliver: version })
  })

  test('picks the highest that adapters lead on from, and the highest that they lead to', () => {
    const known = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0']
    const up = bridges('1.0.0 2.0.0', '1.1.0 2.0.0', '2.0.0 2.1.0')
    expect(send(known, '^1', '^2', up)).toEqual({ send: '1.1.0', deliver: '2.1.0', steps: 2 })
    expect(send(known, '^1', '2.0.x', up)).toEqual({ send: '1.1.0', deliver: '2.0.0', steps: 1 })
  })

  test('adapts to a deprecated version only when there is no other', () => {
    const up = bridges('1.0.0 2.0.0', '1.0.0 2.1.0')
    expect(send(['1.0.0', '2.0.0', '2.1.0!'], '^1', '^2', up)).toMatchObject({ deliver: '2.0.0' })
    expect(send(['1.0.0!', '2.1.0!'], '^1', '^2', up)).toMatchObject({ send: '1.0.0', deliver: '2.1.0' })
  })

  test('tries adapters last', () => {
    const up = bridges('1.0.0 2.0.0')
    expect(send(['1.0.0', '2.0.0'], '*', '*', up)).toEqual({ send: '2.0.0', deliver: '2.0.0' })
    expect(send(['1.0.0', '2.0.0'], '^1', undefined, up)).toEqual({ send: '1.0.0', deliver: '1.0.0' })
  })

  const refusals: [string, string[], string | undefined, string | undefined, Steps, VersionRefusal][] = [
    [
      'nothing is registered',
      [],
      '^1',
      undefined,
      none,
      { reason: 'not_registered', ranges: { sender: '^1' }, would_work: [], who: 'sender' },
    ],
    [
      'the ranges are apart: the sender moves to what arrives, adapted or not',
      ['1.0.0', '2.0.0', '2.1.0', '3.0.0', '4.0.0'],
      '^1',
      '^2',
      bridges('3.0.0 2.1.0'),
      {
        reason: 'no_common_version',
        ranges: { sender: '^1', recipient: '^2' },
        would_work: ['3.0.0', '2.1.0', '2.0.0'],
        who: 'sender',
      },
    ],
    [
      'the recipient takes none: it moves to what the sender states',
      ['1.0.0', '2.0.0'],
      '^1',
      'latest',
      none,
      {
        reason: 'no_common_version',
        ranges: { sender: '^1', recipient: 'latest' },
        would_work: ['1.0.0'],
        who: 'recipient',
      },
    ],
    [
      'neither takes any: the recipient moves to what is registered',
      ['1.0.0', '2.0.0', '2.1.0!'],
      '^8',
      '^9',
      none,
      {
        reason: 'no_common_version',
        ranges: { sender: '^8', recipient: '^9' },
        would_work: ['2.0.0', '1.0.0'],
        who: 'recipient',
      },
    ],
    [
      'the sender states what nobody registered',
      ['1.0.0!', '2.0.0!'],
      '^8',
      undefined,
      none,
      {
        reason: 'no_common_version',
        ranges: { sender: '^8' },
        would_work: ['2.0.0', '1.0.0'],
        who: 'sender',
      },
    ],
    [
      'the recipient states what nobody registered',
      ['1.0.0'],
      undefined,
      '^9',
      none,
      {
        reason: 'no_common_version',
        ranges: { recipient: '^9' },
        would_work: ['1.0.0'],
        who: 'recipient',
      },
    ],
  ]
  test.each(refusals)('is refused when %s', (_, known, ours, theirs, adapted, refusal) => {
    expect(send(known, ours, theirs, adapted)).toEqual(refusal)
  })

  test('names at most ten versions that would work', () => {
    const known = Array.from({ length: 40 }, (_, minor) => `2.${minor}.0`)
    const refused = send(['1.0.0', ...known], '^1', '^2') as VersionRefusal
    expect(refused.would_work).toEqual(known.toReversed().slice(0, 10))
  })

  test('asks for few chains of adapters, however many versions there are', () => {
    let asked = 0
    const counting: Steps = () => {
      asked++
      return undefined
    }
    const known = Array.from({ length: 1000 }, (_, minor) => `${minor % 2}.${minor}.0`)
    expect(send(known, '^0', '^1', counting)).toMatchObject({ reason: 'no_common_version' })
    expect(asked).toBeLessThanOrEqual(3 * 32 * 32)
  })

  const anyRange = fc.option(someRange, { nil: undefined })
  const bridgeList = fc.array(
    fc.tuple(someVersion, someVersion).map((two) => two.join(' ')),
    { maxLength: 5 },
  )

  test('picks what both sides take or adapters join, and a refused one names what would be picked', () => {
    const choice = fc.tuple(someVersions, anyRange, anyRange, bridgeList)
    check(3000, choice, ([versions, sender_range, recipient_range, joined]) => {
      const adapted = bridges(...joined)
      const chosen = versionToSend({ versions, sender_range, recipient_range, adapted })
      const known = versions.map(({ version }) => version)
      if ('reason' in chosen) {
        if (known.length === 0) return
        expect(chosen.would_work.length).toBeGreaterThan(0)
        for (const moved of chosen.would_work) {
          const again = versionToSend({
            versions,
            sender_range: chosen.who === 'sender' ? moved : sender_range,
            recipient_range: chosen.who === 'recipient' ? moved : recipient_range,
            adapted,
          })
          // A sender that states nothing registered has to move as well.
          if ('reason' in again) expect([chosen.who, again.who]).toEqual(['recipient', 'sender'])
        }
        return
      }
      const { send, deliver, steps } = chosen
      expect(known).toContain(send)
      if (sender_range !== undefined)
        expect(known.filter((one) => satisfies(one, sender_range))).not.toEqual([])
      if (recipient_range !== undefined) expect(satisfies(deliver, recipient_range)).toBe(true)
      expect(steps).toBe(send === deliver ? undefined : adapted(send, deliver))
      const usable = versions.filter((one) => !one.deprecated).map(({ version }) => version)
      if (sender_range === undefined || recipient_range === undefined) return
      const both = usable.filter((one) => satisfies(one, sender_range))
      const best = maxSatisfying(both, recipient_range)
      if (best !== null) expect(chosen).toEqual({ send: best, deliver: best })
    })
  })
})

describe('a send that names its version', () => {
  const known = ['1.0.0', '1.1.0', '2.0.0', '2.1.0!']
  const deliver = (named: string, recipient_range: string | undefined, adapted: Steps = none) =>
    versionToDeliver({ named, versions: versions(...known), recipient_range, adapted })

  test('is delivered as it is when the recipient states no range, or takes it', () => {
    expect(deliver('1.0.0', undefined)).toEqual({ send: '1.0.0', deliver: '1.0.0' })
    expect(deliver('1.0.0', '^1')).toEqual({ send: '1.0.0', deliver: '1.0.0' })
    expect(deliver('2.1.0', '^2')).toEqual({ send: '2.1.0', deliver: '2.1.0' })
  })

  test("is adapted to the highest version in the recipient's range", () => {
    const up = bridges('1.0.0 1.1.0', '1.1.0 2.0.0', '2.0.0 2.1.0')
    expect(deliver('1.0.0', '^2', up)).toEqual({ send: '1.0.0', deliver: '2.0.0', steps: 2 })
    expect(deliver('1.0.0', '2.1.0', up)).toEqual({ send: '1.0.0', deliver: '2.1.0', steps: 3 })
  })

  test('is refused otherwise, with the versions that would arrive', () => {
    expect(deliver('2.0.0', '^1', bridges('2.1.0 1.1.0'))).toEqual({
      reason: 'no_common_version',
      ranges: { recipient: '^1' },
      would_work: ['1.1.0', '1.0.0'],
      who: 'sender',
    })
    expect(deliver('2.0.0', '^9')).toEqual({
      reason: 'no_common_version',
      ranges: { recipient: '^9' },
      would_work: ['2.0.0'],
      who: 'recipient',
    })
  })
})

test('a route goes from the highest version that has one', () => {
  const found = route(sorted(versions('1.0.0', '1.1.0')), sorted(versions('2.0.0', '3.0.0')), (from, to) =>
    from === '1.1.0' ? (to === '2.0.0' ? 4 : undefined) : 1,
  )
  expect(found).toEqual({ from: '1.1.0', to: '2.0.0', steps: 4 })
})

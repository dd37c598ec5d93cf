import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerError } from '../../../src/core/errors.ts'
import { MATRIX_PARTIES_MAX, matrix } from '../../../src/core/protocol/negotiation/matrix.ts'
import { negotiate, type Party } from '../../../src/core/protocol/negotiation/negotiation.ts'
import { compareVersions, satisfies } from '../../../src/core/protocol/versions.ts'
import { check } from '../property.ts'
import { adapted, registered, someInput, someParty } from './parties.ts'

const none = () => undefined

describe('a matrix', () => {
  const parties: Party[] = [
    { client_id: 'frontend', protocols: { chat: '^1.2', lease: '^1' } },
    { client_id: 'backend', protocols: { lease: '^2', chat: '>=1.4 <3' } },
    { client_id: 'reviewer', protocols: { chat: '^1', task: 'latest' } },
    { client_id: 'quiet', features: ['review'] },
    { client_id: 'silent', protocols: {} },
  ]
  const shelf = {
    chat: ['1.2.0', '1.4.1', '1.5.0!', '2.0.0'],
    lease: ['1.0.0', '2.0.0'],
    task: ['1.0.0'],
  }
  const both = adapted(['lease 1.0.0 2.0.0', 'lease 2.0.0 1.0.0'])

  test('has each with each, and all together', () => {
    expect(matrix(parties.slice(0, 3), registered(shelf), both)).toEqual({
      pairs: [
        { a: 'frontend', b: 'backend', compatible: true, protocols: { chat: '1.4.1', lease: '1.0.0' } },
        { a: 'frontend', b: 'reviewer', compatible: true, protocols: { chat: '1.4.1' } },
        { a: 'backend', b: 'reviewer', compatible: true, protocols: { chat: '1.4.1' } },
      ],
      protocols: {
        chat: { everyone: '1.4.1', lacks: [] },
        lease: { everyone: null, lacks: ['reviewer'] },
        task: { everyone: null, lacks: ['frontend', 'backend', 'reviewer'] },
      },
    })
  })

  test('takes two that state nothing for compatible, and nobody else with them', () => {
    const { pairs, protocols } = matrix(parties, registered(shelf), both)
    const found = Object.fromEntries(pairs.map(({ a, b, compatible }) => [`${a} ${b}`, compatible]))
    expect(found['quiet silent']).toBe(true)
    expect(found['frontend quiet']).toBe(false)
    expect(protocols.chat).toEqual({ everyone: null, lacks: ['quiet', 'silent'] })
  })

  test('counts adapters only where they lead both ways', () => {
    const oneWay = adapted(['lease 1.0.0 2.0.0'])
    const [pair] = matrix(parties.slice(0, 2), registered({ lease: shelf.lease }), oneWay).pairs
    expect(pair).toEqual({ a: 'frontend', b: 'backend', compatible: false, protocols: {} })
  })

  test('of one client, or none, has no pairs', () => {
    expect(matrix([], registered(shelf), none)).toEqual({ pairs: [], protocols: {} })
    expect(matrix(parties.slice(0, 1), registered(shelf), none).pairs).toEqual([])
  })

  test('has at most fifty clients', () => {
    const many = Array.from({ length: MATRIX_PARTIES_MAX + 1 }, (_, at) => ({ client_id: `client-${at}` }))
    expect(matrix(many.slice(1), registered({}), none).pairs).toHaveLength(1225)
    expect(() => matrix(many, registered({}), none)).toThrow(BrokerError)
  })

  test('agrees with the negotiation of each pair, and with the ranges', () => {
    const several = fc
      .integer({ min: 0, max: 5 })
      .chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => someParty(`client-${at}`))))
    check(500, fc.tuple(several, someInput), ([parties, { registered, adapted, shelf }]) => {
      const found = matrix(parties, registered, adapted)
      expect(found.pairs).toHaveLength((parties.length * (parties.length - 1)) / 2)
      for (const { a, b, compatible, protocols } of found.pairs) {
        const one = parties.find(({ client_id }) => client_id === a)!
        const other = parties.find(({ client_id }) => client_id === b)!
        const there = negotiate({ parties: [one, other], registered, adapted })
        const back = negotiate({ parties: [other, one], registered, adapted })
        const mutual = Object.entries(there.supported_protocols).filter(([name]) =>
          Object.hasOwn(back.supported_protocols, name),
        )
        expect(protocols).toEqual(Object.fromEntries(mutual))
        const silent = [one, other].every(({ protocols }) => Object.keys(protocols ?? {}).length === 0)
        expect(compatible).toBe(silent || mutual.length > 0)
      }
      for (const [name, { everyone, lacks }] of Object.entries(found.protocols)) {
        const takes = ({ protocols }: Party, version: string) =>
          protocols !== undefined && Object.hasOwn(protocols, name) && satisfies(version, protocols[name]!)
        const usable = shelf.get(name)!.filter((one) => !one.deprecated)
        const shared = usable.filter(({ version }) => parties.every((party) => takes(party, version)))
        const best = shared.sort((a, b) => compareVersions(a.version, b.version)).at(-1)
        expect(everyone).toBe(best?.version ?? null)
        const without = parties.filter(
          (party) => !shelf.get(name)!.some(({ version }) => takes(party, version)),
        )
        expect(lacks).toEqual(without.map(({ client_id }) => client_id))
      }
    })
  })
})

describe('the time a matrix takes', () => {
  const names = Array.from({ length: 20 }, (_, at) => `protocol_${at}`)
  const versions = Array.from({ length: 12 }, (_, minor) => ({ version: `1.${minor}.0`, capabilities: [] }))

  /** Fifty clients of twenty protocols, each with a range of its own. */
  const fifty = (range: (client: number, protocol: number) => string): Party[] =>
    Array.from({ length: 50 }, (_, client) => ({
      client_id: `client-${client}`,
      protocols: Object.fromEntries(names.map((name, protocol) => [name, range(client, protocol)])),
    }))

  test('is within 20 ms where no two clients state the same', () => {
    const milliseconds = Array.from({ length: 10 }, (_, round) => {
      const parties = fifty(
        (client, protocol) => `>=1.${((client * 31) >> (protocol % 5)) % 9}.0 <9.${round}.0`,
      )
      const [before, cpu] = [performance.now(), process.cpuUsage()]
      const { pairs } = matrix(parties, () => versions, none)
      const { user, system } = process.cpuUsage(cpu)
      const took = Math.min(performance.now() - before, (user + system) / 1000)
      expect(pairs).toHaveLength(1225)
      return took
    })
    // The shortest: whatever else the machine does can only add.
    expect(Math.min(...milliseconds)).toBeLessThan(20)
  })

  test('is bounded where nobody shares a version: a chain of adapters is asked for once', () => {
    let asked = 0
    const parties = fifty((client) => `1.${client % 12}.0 || 1.${(client + 2) % 12}.0 || 8.0.${client}`)
    matrix(
      parties,
      () => versions,
      () => {
        asked++
        return undefined
      },
    )
    expect(asked).toBe(names.length * versions.length * (versions.length - 1))
  })
})

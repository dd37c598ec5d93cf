import { describe, expect, test } from 'bun:test'
import type { RegisteredVersion } from '../../../src/core/protocol/negotiation/choice.ts'
import {
  type Negotiation,
  type NegotiationInput,
  negotiate,
  type Party,
} from '../../../src/core/protocol/negotiation/negotiation.ts'
import type { Suggestion } from '../../../src/core/protocol/negotiation/refusal.ts'
import { compareVersions, rangeOf, satisfies } from '../../../src/core/protocol/versions.ts'
import { check } from '../property.ts'
import { adapted, between, registered, someInput } from './parties.ts'

test('an answer is as the reference has it', () => {
  const answer = negotiate({
    parties: [
      {
        client_id: 'frontend',
        protocols: { task: '^1.0.0', chat: '^1.2.0', lease: '^1' },
        features: ['images', 'review'],
      },
      {
        client_id: 'backend',
        protocols: { chat: '>=1.4 <3', lease: '^2', task: '^2.0.0' },
        features: ['shell', 'review', 'review'],
      },
    ],
    registered: registered({
      chat: ['1.2.0', '1.4.1', '1.4.0', '2.0.0'],
      lease: ['1.0.0', '2.0.0', '2.1.0'],
      task: ['1.0.0', '2.1.0', '2.0.0'],
    }),
    adapted: adapted(['lease 1.0.0 2.0.0', 'lease 2.0.0 2.1.0', 'lease 2.1.0 2.0.0', 'lease 2.0.0 1.0.0']),
    required: [{ name: 'chat', version: '^1.2', capabilities: ['request_response'] }],
  })
  expect(answer).toEqual({
    compatible: true,
    supported_protocols: { chat: '1.4.1', lease: '1.0.0' },
    unsupported_protocols: ['task'],
    feature_intersections: ['review'],
    feature_differences: { frontend: ['images'], backend: ['shell'] },
    details: {
      chat: { version: '1.4.1', via: 'common', ranges: { frontend: '^1.2.0', backend: '>=1.4 <3' } },
      lease: { version: null, via: 'adapters', send_as: { frontend: '1.0.0', backend: '2.1.0' }, steps: 2 },
      task: {
        reason: 'no_common_version',
        ranges: { frontend: '^1.0.0', backend: '^2.0.0' },
        sentence: 'frontend takes task ^1.0.0 and backend ^2.0.0; the ranges have no version in common.',
      },
    },
    suggestions: [
      {
        protocol: 'task',
        who: 'frontend',
        action: 'upgrade',
        to: '2.1.0',
        sentence: 'frontend would have to accept task 2.1.0 (now ^1.0.0).',
      },
    ],
    required: { met: ['chat'], missing: [] },
  })
})

describe('compatible', () => {
  const shelf = { chat: ['1.0.0'], task: ['1.0.0', '2.0.0'] }

  test('are two that share a protocol', () => {
    expect(between({ chat: '*', task: '^1' }, { chat: '^1', task: '^2' }, shelf).compatible).toBe(true)
    expect(between({ task: '^1' }, { task: '^2' }, shelf).compatible).toBe(false)
  })

  test('are two that state none, and not one that states none and one that does', () => {
    expect(between(undefined, {}, shelf).compatible).toBe(true)
    const answer = between({ chat: '*' }, undefined, shelf)
    expect(answer.compatible).toBe(false)
    expect(answer.unsupported_protocols).toEqual(['chat'])
  })

  test('are two that meet all that is required, and that alone', () => {
    const [ours, theirs] = [
      { chat: '*', task: '^1' },
      { chat: '*', task: '^2' },
    ]
    expect(between(ours, theirs, shelf, { required: 'chat' })).toMatchObject({
      compatible: true,
      required: { met: ['chat'], missing: [] },
    })
    expect(between(ours, theirs, shelf, { required: ['chat', 'task'] })).toMatchObject({
      compatible: false,
      required: { met: ['chat'], missing: ['task'] },
    })
    expect(between(undefined, undefined, shelf, { required: 'chat' })).toMatchObject({
      compatible: false,
      unsupported_protocols: ['chat'],
    })
  })
})

describe('a common version', () => {
  test('is the highest that is not deprecated', () => {
    const shelf = { chat: ['1.0.0', '1.1.0', '1.2.0!', '2.0.0'] }
    expect(between({ chat: '^1' }, { chat: '^1' }, shelf).supported_protocols).toEqual({ chat: '1.1.0' })
  })

  test('is the highest that the requirement takes', () => {
    const shelf = { chat: ['1.0.0', '1.1.0', '2.0.0'] }
    const answer = between({ chat: '*' }, { chat: '*' }, shelf, { required: { chat: '^1' } })
    expect(answer.supported_protocols).toEqual({ chat: '1.1.0' })
  })

  test('is a prerelease only when both sides name one of the same version', () => {
    const shelf = { chat: ['1.0.0', '2.0.0-rc.2'] }
    const [named, open] = ['>=1 || >=2.0.0-rc.1', '>=1']
    expect(between({ chat: named }, { chat: named }, shelf).supported_protocols).toEqual({
      chat: '2.0.0-rc.2',
    })
    expect(between({ chat: named }, { chat: open }, shelf).supported_protocols).toEqual({ chat: '1.0.0' })
  })

  test('is found under any name', () => {
    const names = JSON.parse('{"__proto__": "*", "toString": "*"}')
    const shelf = JSON.parse('{"__proto__": ["1.0.0"], "toString": ["1.0.0"]}')
    const answer = between(names, names, shelf)
    expect(JSON.stringify(answer.supported_protocols)).toBe('{"__proto__":"1.0.0","toString":"1.0.0"}')
    expect(Object.keys(answer.details)).toEqual(['__proto__', 'toString'])
    expect(between({ toString: '*' }, {}, { toString: ['1.0.0'] }).unsupported_protocols).toEqual([
      'toString',
    ])
  })
})

describe('by adapters', () => {
  const shelf = { lease: ['1.0.0', '2.0.0'] }

  test('a side that no adapters lead on from cannot send', () => {
    const answer = between({ lease: '^1' }, { lease: '^2' }, shelf, { bridges: ['lease 1.0.0 2.0.0'] })
    expect(answer.supported_protocols).toEqual({ lease: '1.0.0' })
    expect(answer.details.lease).toEqual({
      version: null,
      via: 'adapters',
      send_as: { frontend: '1.0.0' },
      steps: 1,
      sentence: 'No adapters lead from backend to frontend, so only frontend can send lease.',
    })
  })

  test('the caller has to be able to send', () => {
    const answer = between({ lease: '^1' }, { lease: '^2' }, shelf, { bridges: ['lease 2.0.0 1.0.0'] })
    expect(answer.unsupported_protocols).toEqual(['lease'])
  })

  test('what the caller sends is what is required', () => {
    const bridges = ['lease 1.0.0 2.0.0', 'lease 2.0.0 1.0.0']
    const options = { bridges, required: { lease: '^2' } }
    expect(between({ lease: '^1' }, { lease: '^2' }, shelf, options).required.missing).toEqual(['lease'])
    expect(between({ lease: '^2' }, { lease: '^1' }, shelf, options).required.met).toEqual(['lease'])
  })
})

describe('any negotiation', () => {
  /** Whether a version is one that both sides and the requirement take, by their ranges alone. */
  function isShared(one: RegisteredVersion, name: string, { parties, required }: NegotiationInput): boolean {
    const need = required?.find((one) => one.name === name)
    const ranges = [...parties.map(({ protocols }) => own(protocols, name)), need?.version ?? one.version]
    const capable = need?.capabilities?.every((capability) => one.capabilities.includes(capability)) ?? true
    return (
      capable &&
      !one.deprecated &&
      ranges.every((range) => range !== undefined && satisfies(one.version, range))
    )
  }

  function own(protocols: Party['protocols'], name: string): string | undefined {
    return protocols && Object.hasOwn(protocols, name) ? protocols[name] : undefined
  }

  test('sorts every name into supported or not, by the versions that both take', () => {
    check(2000, someInput, (input) => {
      const answer = negotiate(input)
      const [a, b] = input.parties
      const named = [a.protocols, b.protocols].flatMap((one) => Object.keys(one ?? {}))
      const names = new Set([...named, ...(input.required ?? []).map(({ name }) => name)])
      const supported = Object.keys(answer.supported_protocols)
      expect([...supported, ...answer.unsupported_protocols].sort()).toEqual([...names].sort())
      expect(Object.keys(answer.details).sort()).toEqual([...names].sort())
      for (const name of names) {
        const versions = input.shelf.get(name)!
        const both = versions.filter((one) => isShared(one, name, input)).map(({ version }) => version)
        const detail = own(answer.details as never, name) as unknown as Negotiation['details'][string]
        const best = both.sort(compareVersions).at(-1)
        if (best !== undefined) {
          expect(detail).toMatchObject({ version: best, via: 'common' })
          expect(own(answer.supported_protocols, name)).toBe(best)
        } else if ('via' in detail) {
          expect(detail.via).toBe('adapters')
          const sent = own(answer.supported_protocols, name)!
          const arrives = versions.filter((one) => satisfies(one.version, own(b.protocols, name)!))
          expect(arrives.some(({ version }) => input.adapted(name, sent, version) !== undefined)).toBe(true)
          expect(satisfies(sent, own(a.protocols, name)!)).toBe(true)
        } else expect(answer.suggestions.some(({ protocol }) => protocol === name)).toBe(true)
      }
    })
  })

  test('gives both sides the same common versions, and the same features', () => {
    check(1000, someInput, (input) => {
      const [a, b] = input.parties
      const [one, other] = [negotiate(input), negotiate({ ...input, parties: [b, a] })]
      expect(one.feature_intersections).toEqual(other.feature_intersections)
      expect(one.feature_differences).toEqual(other.feature_differences)
      for (const [name, detail] of Object.entries(one.details))
        if ('via' in detail && detail.via === 'common')
          expect(own(other.details as never, name)).toMatchObject({ version: detail.version })
    })
  })

  test('does not depend on the order of versions', () => {
    check(500, someInput, (input) => {
      const reversed = (name: string) => [...input.registered(name)].reverse()
      expect(negotiate({ ...input, registered: reversed })).toEqual(negotiate(input))
    })
  })

  /** The sides and versions after a suggestion was followed, with the others that name the same version. */
  function followed(
    input: NegotiationInput,
    all: readonly Suggestion[],
    { protocol, to, action }: Suggestion,
  ) {
    const moving = all.filter((one) => one.protocol === protocol && one.to === to).map(({ who }) => who)
    const parties = input.parties.map((party) => {
      if (!moving.includes(party.client_id)) return party
      const range = own(party.protocols, protocol)
      const parsed = range === undefined ? undefined : rangeOf(range)
      // Beside an alternative that is `*`, node-semver drops the others, and with them a prerelease.
      const wider = parsed ? `${parsed.range || '>=0.0.1'} || ${to}` : to!
      return {
        ...party,
        protocols: Object.fromEntries([...Object.entries(party.protocols ?? {}), [protocol, wider]]),
      }
    }) as [Party, Party]
    const capabilities = input.required?.find(({ name }) => name === protocol)?.capabilities ?? []
    const registered = (name: string) =>
      action === 'register' && name === protocol
        ? [...input.registered(name), { version: to!, capabilities }]
        : input.registered(name)
    return { ...input, parties, registered }
  }

  test('is put right by what it suggests', () => {
    let righted = 0
    check(300, someInput, (input) => {
      for (const first of negotiate(input).suggestions) {
        let [now, suggestion]: [NegotiationInput, Suggestion | undefined] = [input, first]
        for (let round = 0; round < 4 && suggestion?.to !== undefined; round++) {
          now = followed(now, negotiate(now).suggestions, suggestion)
          suggestion = negotiate(now).suggestions.find(({ protocol }) => protocol === first.protocol)
        }
        expect(suggestion?.to).toBeUndefined()
        if (!suggestion) righted++
      }
    })
    expect(righted).toBeGreaterThan(150)
  })
})

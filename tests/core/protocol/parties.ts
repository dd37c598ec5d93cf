import fc from 'fast-check'
import { PROTOCOL_CAPABILITIES } from '../../../src/core/protocol/definition.ts'
import type { RegisteredVersion } from '../../../src/core/protocol/negotiation/choice.ts'
import {
  type Negotiation,
  type NegotiationInput,
  negotiate,
  type Party,
} from '../../../src/core/protocol/negotiation/negotiation.ts'
import { parseRequired, type RequiredProtocol } from '../../../src/core/protocol/negotiation/required.ts'

/** Protocols by name, each with its versions; `!` marks a deprecated one, as in `1.0.0!`. */
export type Shelf = Record<string, readonly string[]>
/** Pairs of versions that one adapter leads between, as `lease 1.0.0 2.0.0`. */
export type Bridges = readonly string[]

export function registered(
  shelf: Shelf,
  capabilities: readonly string[] = PROTOCOL_CAPABILITIES,
): (name: string) => RegisteredVersion[] {
  return (name) =>
    (Object.hasOwn(shelf, name) ? shelf[name]! : []).map((text) => ({
      version: text.replace('!', ''),
      ...(text.endsWith('!') ? { deprecated: true } : {}),
      capabilities,
    }))
}

/** The steps of the shortest chain over the bridges, by trying ever longer ones. */
export function adapted(bridges: Bridges) {
  const next = (name: string, from: string) =>
    bridges.map((one) => one.split(' ')).filter(([of, start]) => of === name && start === from)
  return (name: string, from: string, to: string): number | undefined => {
    let reached = new Set([from])
    for (let steps = 0; steps <= 8; steps++) {
      if (reached.has(to)) return steps
      reached = new Set([...reached].flatMap((one) => next(name, one).map(([, , end]) => end!)))
    }
    return undefined
  }
}

/** Versions close together, so that ranges and versions meet often. */
export const someVersion = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.nat({ max: 2 }), fc.constantFrom('', '', '', '-rc.1', '-rc.2'))
  .map(([major, minor, prerelease]) => `${major}.${minor}.0${prerelease}`)

export const someRange = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom('^', '~', '>=', '<', ''), someVersion).map((two) => two.join('')),
  },
  { weight: 2, arbitrary: fc.tuple(someVersion, someVersion).map(([a, b]) => `^${a} || ${b}`) },
  { weight: 1, arbitrary: fc.constantFrom('*', '', 'latest', '^9', '>2 <1') },
)

const NAMES = ['chat', 'task', 'file_lease', 'toString', '__proto__']
const name = fc.constantFrom(...NAMES)
const offers = fc.option(
  fc.array(fc.tuple(name, someRange), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  { nil: undefined },
)

export const someParty = (client_id: string): fc.Arbitrary<Party> =>
  fc
    .record({ protocols: offers, features: fc.subarray(['review', 'images', 'shell']) })
    .map(({ protocols, features }) => ({ client_id, features, ...(protocols ? { protocols } : {}) }))

const registeredVersion = fc.record({
  version: someVersion,
  deprecated: fc.boolean(),
  capabilities: fc.subarray([...PROTOCOL_CAPABILITIES]),
})
export const someVersions = fc.uniqueArray(registeredVersion, {
  maxLength: 6,
  selector: (one) => one.version,
})

export const someRequired: fc.Arbitrary<RequiredProtocol[]> = fc.uniqueArray(
  fc.record(
    { name, version: someRange, capabilities: fc.subarray([...PROTOCOL_CAPABILITIES], { maxLength: 2 }) },
    { requiredKeys: ['name'] },
  ),
  { maxLength: 2, selector: (one) => one.name },
)

/** What one negotiation may start from: any versions, any bridges between them. */
export const someInput: fc.Arbitrary<NegotiationInput & { shelf: Map<string, RegisteredVersion[]> }> = fc
  .tuple(
    fc.tuple(someParty('frontend'), someParty('backend')),
    fc.tuple(...NAMES.map(() => someVersions)),
    fc.array(fc.tuple(name, someVersion, someVersion), { maxLength: 6 }),
    someRequired,
  )
  .map(([parties, versions, bridges, required]) => {
    const shelf = new Map(NAMES.map((name, at) => [name, versions[at]!]))
    const known = bridges.map((one) => one.join(' '))
    return { parties, registered: (name) => shelf.get(name) ?? [], adapted: adapted(known), required, shelf }
  })

/** Both sides by their ranges of some protocols, on a shelf of registered ones. */
export function between(
  frontend: Record<string, string> | undefined,
  backend: Record<string, string> | undefined,
  shelf: Shelf,
  {
    required,
    bridges = [],
    capabilities,
  }: { required?: unknown; bridges?: Bridges; capabilities?: string[] } = {},
): Negotiation {
  const party = (client_id: string, protocols: Record<string, string> | undefined): Party => ({
    client_id,
    ...(protocols ? { protocols } : {}),
  })
  return negotiate({
    parties: [party('frontend', frontend), party('backend', backend)],
    registered: registered(shelf, capabilities),
    adapted: adapted(bridges),
    required: parseRequired(required),
  })
}

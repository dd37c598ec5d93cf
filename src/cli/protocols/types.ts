import type { ProtocolDefinition } from '../../core/protocol/definition.ts'
import { CALL_FLAGS, type Target, targetOf } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { EXIT } from '../terminal.ts'
import { CliError, flag, isOn, type Verb } from '../verb.ts'
import { definitionsIn } from './files.ts'
import { cards, type FullCard, newestUsable, registered } from './registered.ts'

/** What the types of a payload are made from. */
type Typed = Pick<ProtocolDefinition, 'name' | 'version' | 'schema' | 'metadata'>

const { json: _, ...BROKER_FLAGS } = CALL_FLAGS

export const types: Verb = {
  name: 'protocols types',
  summary: 'Print TypeScript types of payloads.',
  args: '[NAME[@VERSION]]',
  positionals: [0, 1],
  examples: [
    [`${PROGRAM} protocols types > protocols.ts`, 'the newest version of each protocol'],
    [`${PROGRAM} protocols types chat@1.2.0`, 'one version'],
    [`${PROGRAM} protocols types chat --all`, 'every version of chat'],
    [`${PROGRAM} protocols types --dir schemas/`, 'from files, without a broker'],
  ],
  notes: ['What a type cannot say, such as a pattern or a length, is left out of it.'],
  flags: {
    all: { kind: 'switch', help: 'Every version, and not only the newest of each protocol.' },
    dir: { kind: 'value', value: 'DIR', help: 'Take the definitions from this folder or file.' },
    ...BROKER_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [name, version] = line.positionals[0]?.split('@', 2) ?? []
    const wanted = { name, version, all: isOn(line, 'all') }
    const dir = flag(line, 'dir')
    const definitions =
      dir === undefined
        ? await fromBroker(targetOf(line, surroundings), wanted)
        : await fromFiles(dir, wanted)
    // Loaded here, so that the verbs that call a broker do not wait for it.
    const { typesOf } = await import('../../core/protocol/types/types.ts')
    terminal.out(typesOf(definitions).trimEnd())
    return EXIT.ok
  },
}

interface Wanted {
  readonly name: string | undefined
  readonly version: string | undefined
  readonly all: boolean
}

async function fromBroker(target: Target, { name, version, all }: Wanted): Promise<Typed[]> {
  if (name !== undefined && !all) return [typed(await registered(target, name, version))]
  const names = name === undefined ? (await cards(target)).map((card) => card.name) : [name]
  const definitions: Typed[] = []
  for (const one of names) {
    const versions = await cards(target, one, version)
    for (const card of all ? versions : [newestUsable(versions)])
      definitions.push(typed(await registered(target, one, card.version)))
  }
  return definitions
}

function typed({ name, version, schema, description }: FullCard): Typed {
  return { name, version, schema, metadata: description === undefined ? {} : { description } }
}

async function fromFiles(path: string, { name, version, all }: Wanted): Promise<Typed[]> {
  const found = (await definitionsIn([path]))
    .map(({ input }) => ({ ...input, metadata: (input.metadata ?? {}) as Typed['metadata'] }))
    .filter((one) => name === undefined || one.name === name)
    .filter((one) => version === undefined || one.version === version)
  if (found.length === 0)
    throw new CliError(
      `${path} holds no ${[name, version].filter(Boolean).join(' ')}.`,
      `"${PROGRAM} protocols check ${path}" says what it holds.`,
    )
  if (all) return found
  return [...Map.groupBy(found, (one) => one.name).values()].map((versions) =>
    newestUsable(versions.toReversed()),
  )
}

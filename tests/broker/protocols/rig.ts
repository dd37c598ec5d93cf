import { DEFAULT_PROJECT, operator } from '../../../src/auth/identity.ts'
import type { Broker } from '../../../src/broker/broker.ts'
import { runToStored } from '../../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../../src/broker/commands/index.ts'
import { BrokerError, type ErrorBody, errorBody } from '../../../src/core/errors.ts'
import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'

/** What a door knows of its broker. */
interface Brokered {
  readonly broker: Broker
}

type Json = Record<string, unknown>

/** Runs a command as a stateless caller of the default project; what it did is stored when it answers. */
export async function run<T = Json>({ broker }: Brokered, name: string, input: Json = {}): Promise<T> {
  const command = COMMANDS_BY_NAME.get(name)!
  return (await runToStored(broker, command, operator(DEFAULT_PROJECT), input)) as T
}

/** The error that a call is refused with, as a door renders it. */
export async function refusalOf(call: Promise<unknown>): Promise<ErrorBody> {
  try {
    await call
  } catch (error) {
    if (error instanceof BrokerError) return errorBody(error)
    throw error
  }
  throw new Error('the call was not refused')
}

/** Checks in, stating which versions of which protocols are taken. */
export async function checkIn(
  app: Brokered,
  client_id: string,
  protocols?: Record<string, string>,
): Promise<void> {
  await run(app, 'checkin_client', { client_id, ...(protocols ? { capabilities: { protocols } } : {}) })
}

export async function register(app: Brokered, ...definitions: readonly Json[]): Promise<void> {
  for (const definition of definitions) await run(app, 'register_protocol', definition)
}

interface Told {
  message_id: string
  payload: unknown
  protocol_version?: string
  adapted_from?: { version: string; steps: string[] }
}

/** Reads and acknowledges what waits for a client. */
export async function messagesOf(app: Brokered, client_id: string): Promise<Told[]> {
  return (await run<{ messages: Told[] }>(app, 'get_messages', { client_id })).messages
}

/** An object whose members are all required texts. */
export function texts(...names: string[]): JsonSchema {
  return {
    type: 'object',
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  }
}

const files = (name: string): JsonSchema => ({ type: 'array', items: texts(name) })

const letter = (names: readonly string[], file: string, payload: Json) => {
  const { properties, ...schema } = texts(...names) as { properties: Json }
  return {
    schema: { ...schema, properties: { ...properties, files: files(file) } },
    metadata: { description: 'A letter with files.', examples: [{ name: 'letter', payload }] },
  }
}

/** The same letter in each version of {@link MAIL}. */
export const LETTERS = {
  '1.0.0': { author: 'Ada Lovelace', files: [{ path: 'a.ts' }, { path: 'b.ts' }] },
  '2.0.0': { author: 'Ada Lovelace', files: [{ uri: 'a.ts' }, { uri: 'b.ts' }] },
  '3.0.0': { given_name: 'Ada', family_name: 'Lovelace', files: [{ uri: 'a.ts' }, { uri: 'b.ts' }] },
} as const

const NAMES = ['given_name', 'family_name']

/** Three versions: the second renames a member inside an array, the third splits a name. */
export const MAIL = [
  { name: 'mail', version: '1.0.0', ...letter(['author'], 'path', LETTERS['1.0.0']) },
  {
    name: 'mail',
    version: '2.0.0',
    ...letter(['author'], 'uri', LETTERS['2.0.0']),
    adapters: [
      {
        from: '1.x',
        up: [{ op: 'rename', path: '/files/*/path', to: 'uri' }],
        down: [{ op: 'rename', path: '/files/*/uri', to: 'path' }],
      },
    ],
  },
  {
    name: 'mail',
    version: '3.0.0',
    ...letter(NAMES, 'uri', LETTERS['3.0.0']),
    adapters: [
      {
        from: '2.x',
        up: [{ op: 'split', path: '/author', separator: ' ', last: true, into: NAMES }],
        down: [{ op: 'join', path: '/author', from: NAMES, separator: ' ' }],
      },
    ],
  },
] as const

/** What a letter is adapted by, on the way from 1.x to 3.x and on the way back. */
export const STEPS = {
  up: ['1.0.0→2.0.0', '2.0.0→3.0.0'],
  down: ['3.0.0→2.0.0', '2.0.0→1.0.0'],
} as const

/** Its adapter needs a member that the first version does not require. */
export const NOTE = [
  {
    name: 'note',
    version: '1.0.0',
    schema: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } } },
    metadata: { examples: [{ name: 'note', payload: { subject: 'a', text: 'b' } }] },
  },
  {
    name: 'note',
    version: '2.0.0',
    schema: texts('title'),
    metadata: { examples: [{ name: 'note', payload: { title: 'a', text: 'b' } }] },
    adapters: [
      {
        from: '1.x',
        up: [
          { op: 'default', path: '/text', value: '' },
          { op: 'move', from: '/subject', path: '/title' },
        ],
        down: [{ op: 'rename', path: '/title', to: 'subject' }],
      },
    ],
  },
] as const

import { existsSync } from 'node:fs'
import { PROTOCOL_CAPABILITIES } from '../../core/protocol/definition.ts'
import { escapeControls } from '../../observability/readable.ts'
import { CALL_FLAGS, targetOf, wantsJson } from '../client.ts'
import type { Parsed } from '../flags.ts'
import { PROGRAM } from '../program.ts'
import { EXIT } from '../terminal.ts'
import { CliError, type Surroundings, type Verb } from '../verb.ts'
import type { Described } from './comparing.ts'
import { definitionsIn } from './files.ts'
import { registered } from './registered.ts'

export const diff: Verb = {
  name: 'protocols diff',
  summary: 'Say what changed between two versions, and which side breaks.',
  args: 'NAME FROM TO | FILE FILE',
  positionals: [2, 3],
  examples: [
    [`${PROGRAM} protocols diff chat 1.2.0 2.0.0`, 'two registered versions'],
    [`${PROGRAM} protocols diff old/chat.json chat.json`, 'two files, without a broker'],
  ],
  notes: [
    'full: each side accepts what the other sends. backward: readers of the new version accept what ' +
      'senders of the old one send. forward: readers of the old version accept what senders of the new one ' +
      'send. breaking: neither. Names that a version does not declare carry no meaning; strict_relation in ' +
      '--json counts them too.',
  ],
  flags: CALL_FLAGS,
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [older, newer] = await both(line, surroundings)
    // Loaded here, so that the verbs that call a broker do not wait for it.
    const { differenceOf } = await import('./comparing.ts')
    const { words, ...found } = differenceOf(older, newer)
    if (wantsJson(line)) terminal.out(JSON.stringify(found))
    else for (const text of words) terminal.out(escapeControls(text))
    return EXIT.ok
  },
}

const TAKES = 'diff takes two files with one definition each, or a name and two versions.'

async function both(line: Parsed, surroundings: Surroundings): Promise<[Described, Described]> {
  const [first = '', second = '', third] = line.positionals
  if (third === undefined) {
    const missing = [first, second].find((path) => !existsSync(path))
    if (missing !== undefined) throw new CliError(`There is no file "${missing}".`, TAKES, true)
    return [await fromFile(first), await fromFile(second)]
  }
  const target = targetOf(line, surroundings)
  const older = await registered(target, first, second)
  const newer = await registered(target, first, third)
  return [
    { ...older, strict: false },
    { ...newer, strict: newer.compare === 'strict' },
  ]
}

/** @throws CliError unless the file holds one definition */
async function fromFile(path: string): Promise<Described> {
  const [only, ...more] = await definitionsIn([path])
  if (!only || more.length > 0) throw new CliError(`${path} holds ${more.length + 1} definitions.`, TAKES)
  const { name, version, schema, capabilities, metadata } = only.input
  return {
    name,
    version,
    schema,
    capabilities: Array.isArray(capabilities) ? capabilities : PROTOCOL_CAPABILITIES,
    strict: (metadata as { compare?: unknown } | undefined)?.compare === 'strict',
  }
}

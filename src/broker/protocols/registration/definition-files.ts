import type { Dirent } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import compare from 'semver/functions/compare.js'
import valid from 'semver/functions/valid.js'
import { isSchemaObject, type JsonSchema } from '../../../core/protocol/json-schema.ts'
import { nearestNames } from '../../../core/routing.ts'

/** What `register_protocol` takes; all but the three first members are unchecked. */
export interface DefinitionInput {
  readonly name: string
  /** Semver. */
  readonly version: string
  readonly schema: JsonSchema
  readonly capabilities?: unknown
  readonly metadata?: unknown
  readonly adapters?: unknown
  readonly allow_breaking?: unknown
}

/** Where in the files something is. */
export interface Place {
  readonly file: string
  /** The place in the file's list, from 0; absent where the file holds one definition. */
  readonly index?: number
}

export interface FiledDefinition extends Place {
  readonly input: DefinitionInput
}

/** Why a file, or one definition in it, cannot be used: what is wrong with it, and what to do. */
export interface DefinitionProblem extends Place {
  readonly what: string
  readonly fix: string
}

export interface DefinitionFiles {
  /** By name, then by version, lowest first. */
  readonly definitions: readonly FiledDefinition[]
  readonly problems: readonly DefinitionProblem[]
  /** How many files were read. */
  readonly files: number
}

const FILE_BYTES_MAX = 1024 * 1024
const FILES_MAX = 2000
const FOLDERS_MAX = 2000
const ENDING = /\.(json|ya?ml)$/i
const REQUIRED = ['name', 'version', 'schema']
const MEMBERS = [...REQUIRED, 'capabilities', 'metadata', 'adapters', 'allow_breaking']

/**
 * Reads definitions of protocols from files: `*.json`, `*.yaml` and `*.yml`. Each holds what
 * `register_protocol` takes, or a list of these; their names and folders say nothing. A folder is read with
 * all below it, but for names that begin with a dot. Links are followed, and each file is read once.
 *
 * @param paths folders, and files of any name
 * @returns what can be used, and all that is wrong with the rest; never throws for what the files hold
 */
export async function readDefinitions(...paths: readonly string[]): Promise<DefinitionFiles> {
  const problems: DefinitionProblem[] = []
  const found: FiledDefinition[] = []
  const files = await filesAt(paths, problems)
  for (const file of files) await readOne(file, found, problems)
  found.sort(
    ({ input: a }, { input: b }) =>
      (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) || compare(a.version, b.version),
  )
  const definitions = found.filter((one, at) => {
    const { name, version } = one.input
    const before = found[at - 1]
    if (before?.input.name !== name || compare(before.input.version, version) !== 0) return true
    problems.push({
      ...placeOf(one),
      what: `${name} ${version} is defined a second time; the first is in ${placeText(before)}.`,
      fix: 'Keep one of them, or give one a higher version.',
    })
    return false
  })
  return { definitions, problems, files: files.length }
}

/** A place in words: `lease.json`, or `all.yaml, item 3` (counted from 1). */
export function placeText({ file, index }: Place): string {
  return index === undefined ? file : `${file}, item ${index + 1}`
}

function placeOf({ file, index }: Place): Place {
  return index === undefined ? { file } : { file, index }
}

/** The paths of all files to read, sorted; the bounds count. */
async function filesAt(paths: readonly string[], problems: DefinitionProblem[]): Promise<string[]> {
  const files = new Map<string, string>()
  const folders = new Set<string>()
  const waiting = [...paths]
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    try {
      const real = await realpath(next)
      const status = await stat(real)
      if (status.isFile()) {
        if (!files.has(real)) files.set(real, next)
      } else if (status.isDirectory()) {
        if (folders.has(real)) continue
        folders.add(real)
        if (folders.size > FOLDERS_MAX) throw new TooMany(`more than ${FOLDERS_MAX} folders`)
        waiting.push(...(await readdir(real, { withFileTypes: true })).filter(isWanted).map(nameBelow(next)))
      } else if (paths.includes(next))
        problems.push({
          file: next,
          what: 'It is neither a file nor a folder.',
          fix: 'Give a folder, or a file.',
        })
      if (files.size > FILES_MAX) throw new TooMany(`more than ${FILES_MAX} files`)
    } catch (error) {
      problems.push(
        error instanceof TooMany
          ? {
              file: paths.join(', '),
              what: `It holds ${error.message}.`,
              fix: 'Give a folder of definitions alone.',
            }
          : unreadable(next, error),
      )
      if (error instanceof TooMany) return []
    }
  return [...files.values()].sort()
}

class TooMany extends Error {}

/** A folder, or what is a definition by its ending; a link counts by its ending too. */
function isWanted(entry: Dirent): boolean {
  if (entry.name.startsWith('.')) return false
  return entry.isDirectory() || (ENDING.test(entry.name) && (entry.isFile() || entry.isSymbolicLink()))
}

function nameBelow(folder: string): (entry: Dirent) => string {
  return ({ name }) => join(folder, name)
}

function unreadable(file: string, error: unknown): DefinitionProblem {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    ENOENT: 'There is no such file or folder.',
    EACCES: 'This user may not read it.',
    ELOOP: 'It is a link to itself.',
  }
  return { file, what: reasons[code ?? ''] ?? `It cannot be read: ${message}.`, fix: 'Correct the path.' }
}

/** Adds what one file holds. */
async function readOne(file: string, found: FiledDefinition[], problems: DefinitionProblem[]): Promise<void> {
  let held: unknown
  try {
    held = await parsed(file, await textOf(file))
  } catch (error) {
    problems.push(error instanceof Unusable ? { file, ...error.problem } : unreadable(file, error))
    return
  }
  const list = Array.isArray(held) ? held : undefined
  if (list?.length === 0)
    problems.push({ file, what: 'It holds an empty list.', fix: 'Put a definition into it.' })
  for (const [index, value] of (list ?? [held]).entries()) {
    const place: Place = list ? { file, index } : { file }
    const problem = problemOf(value)
    if (problem) problems.push({ ...place, ...problem })
    else found.push({ ...place, input: value as DefinitionInput })
  }
}

interface Trouble {
  readonly what: string
  readonly fix: string
}

class Unusable extends Error {
  constructor(readonly problem: Trouble) {
    super(problem.what)
  }
}

async function textOf(file: string): Promise<string> {
  const handle = await open(file)
  try {
    if ((await handle.stat()).size > FILE_BYTES_MAX)
      throw new Unusable({
        what: `It has more than ${FILE_BYTES_MAX} bytes.`,
        fix: 'Split it into several files.',
      })
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile())
  } catch (error) {
    if (error instanceof TypeError) throw new Unusable({ what: 'It is not UTF-8.', fix: 'Save it as UTF-8.' })
    throw error
  } finally {
    await handle.close()
  }
}

async function parsed(file: string, text: string): Promise<unknown> {
  try {
    if (file.toLowerCase().endsWith('.json')) return JSON.parse(text)
    // Loaded only when it is needed: most files are JSON.
    const { parse } = await import('yaml')
    return parse(text)
  } catch (error) {
    const [first] = (error as Error).message.split('\n')
    throw new Unusable({
      what: `It cannot be parsed: ${first?.replace(/[:.]$/, '')}.`,
      fix: 'Files ending in .json are read as JSON, all others as YAML.',
    })
  }
}

/** Why a value is no definition. The schema itself, capabilities and adapters are checked at registration. */
function problemOf(value: unknown): Trouble | undefined {
  if (!isSchemaObject(value))
    return {
      what: 'It is no definition of a protocol, which is an object.',
      fix: 'Write {"name": "chat", "version": "1.0.0", "schema": {…}}, or a list of these.',
    }
  const unknown = Object.keys(value).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) {
    const near = nearestNames(unknown, MEMBERS)
    return {
      what: `A definition has no member ${JSON.stringify(unknown.slice(0, 80))}.`,
      fix: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It has ${MEMBERS.join(', ')}.`,
    }
  }
  const missing = REQUIRED.find((name) => !Object.hasOwn(value, name))
  if (missing !== undefined) return { what: `It has no ${missing}.`, fix: `Give it a ${missing}.` }
  if (typeof value.name !== 'string')
    return { what: 'Its name is no text.', fix: 'Write a name such as "chat".' }
  if (typeof value.version !== 'string' || !isVersion(value.version))
    return {
      what: `Its version is ${JSON.stringify(value.version).slice(0, 80)}.`,
      fix: 'Write a semver version in quotes, such as "1.0.0".',
    }
  if (typeof value.schema !== 'boolean' && !isSchemaObject(value.schema))
    return { what: 'Its schema is no JSON Schema.', fix: 'Write an object, such as {"type": "object"}.' }
  return undefined
}

/** Semver in full, without a `v` and without blanks; a build part is left to the registration. */
function isVersion(text: string): boolean {
  const version = valid(text, { loose: false })
  return version !== null && text.startsWith(version)
}

import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { newerFormat, notOurs } from './directory-error.ts'

/** The format of all files in a data directory that this version reads and writes. */
const FORMAT = 1
const FILE = 'format'
/** Where the file is written before it gets its name. */
const UNFINISHED = 'format.tmp'
/**
 * What may lie in a directory without a format: of a start that was cut off, and of the file system itself.
 */
const BEFORE_FORMAT = new Set(['lock', 'pid', UNFINISHED, 'lost+found'])

/**
 * Checks that a directory is a data directory of a format that this version knows, or may become one. Changes
 * nothing. Files beside ours in a data directory are nobody's concern.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @returns whether it is one; false: it may become one
 * @throws DirectoryError if it is neither; the error of the file system
 */
export function hasFormat(directory: string, by: string): boolean {
  const names = readdirSync(directory)
  if (!names.includes(FILE)) {
    const other = names.find((name) => !BEFORE_FORMAT.has(name))
    if (other !== undefined) throw notOurs(directory, other)
    return false
  }
  const written = parsed(readFileSync(join(directory, FILE), 'utf8'))
  if (written === undefined) throw notOurs(directory, FILE)
  if (written.format > FORMAT) throw newerFormat(directory, written.format, written.by, by)
  return true
}

/** Makes a directory a data directory: the file is there whole, or not at all. */
export function writeFormat(directory: string, by: string): void {
  const unfinished = join(directory, UNFINISHED)
  writeFileSync(unfinished, `${JSON.stringify({ format: FORMAT, by })}\n`, { mode: 0o600, flush: true })
  renameSync(unfinished, join(directory, FILE))
  syncDirectory(directory)
}

/** Takes back what {@link writeFormat} did, or began. */
export function removeFormat(directory: string): void {
  for (const name of [UNFINISHED, FILE]) rmSync(join(directory, name), { force: true })
}

/** Has the names in a directory survive a power cut. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function parsed(text: string): { readonly format: number; readonly by: string } | undefined {
  try {
    const { format, by } = JSON.parse(text) as { format?: unknown; by?: unknown }
    return Number.isSafeInteger(format) && (format as number) >= 1 && BY.test(String(by))
      ? { format: format as number, by: String(by) }
      : undefined
  } catch {
    return undefined
  }
}

const BY = /^mcp-broker [\w.+-]{1,64}$/

import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DirectoryError, fromSystem, notADirectory } from '../directory/directory-error.ts'
import { hasFormat } from '../directory/format.ts'
import { takeLock } from '../directory/lock.ts'
import { numberOf } from '../log/segments.ts'
import type { Gap } from './salvage.ts'

/** A data directory that no broker has. */
export interface QuietDirectory {
  /** Absolute. */
  readonly path: string
  /** What is wrong with its file `format`. */
  readonly format_damage: Gap | undefined
}

/**
 * Has a data directory to itself for as long as `use` takes. Changes nothing in it: without a file `lock` no
 * broker has ever run there, and none is made.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @throws DirectoryError for one that a process holds, names it; for what is no data directory
 */
export async function whileQuiet<T>(
  path: string,
  by: string,
  use: (directory: QuietDirectory) => Promise<T>,
): Promise<T> {
  const at = resolve(path)
  try {
    const found = statSync(at, { throwIfNoEntry: false })
    if (!found) throw new DirectoryError('unusable', `There is no directory ${at}: name a data directory.`)
    if (!found.isDirectory()) throw notADirectory(at)
    const format_damage = formatDamage(at, by)
    const lock = mayBeHeld(at) ? takeLock(at) : undefined
    try {
      return await use({ path: at, format_damage })
    } finally {
      lock?.release()
    }
  } catch (error) {
    throw fromSystem(error, at)
  }
}

function formatDamage(path: string, by: string): Gap | undefined {
  const damaged = (what: string) => ({ file: 'format', offset: 0, bytes: 0, frames: undefined, what })
  try {
    if (hasFormat(path, by)) return undefined
  } catch (error) {
    const has_log = readdirSync(path).some((name) => numberOf(name) !== undefined)
    if (!has_log || !(error instanceof DirectoryError) || error.trouble !== 'not_ours') throw error
    return damaged(existsSync(join(path, 'format')) ? 'it is not what was written' : 'the file is missing')
  }
  const what = `${path} is an empty directory: name one that a broker was started with.`
  throw new DirectoryError('not_ours', what)
}

/** On a file system that is read-only no broker runs. */
function mayBeHeld(path: string): boolean {
  const file = join(path, 'lock')
  if (!existsSync(file)) return false
  try {
    accessSync(file, constants.W_OK)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return false
    throw error
  }
}

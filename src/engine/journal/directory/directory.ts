import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fromSystem, noParent, notADirectory } from './directory-error.ts'
import { hasFormat, removeFormat, syncDirectory, writeFormat } from './format.ts'
import { type Lock, takeLock } from './lock.ts'

/** A data directory, which no other process can open as long as this one has it. */
export interface Directory {
  /** Absolute. */
  readonly path: string
  /** Bytes that this user may still write on its file system. */
  free(): number
  /** Lets go of it. Closing it again does nothing. */
  close(): void
}

/**
 * Opens the data directory, and makes one of a directory that is empty or not there, whose parent has to be.
 * It is held until it is closed or the process ends. Keep what this returns: the lock goes when it is
 * collected.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @throws DirectoryError if it cannot be used; then nothing in it was changed
 */
export function openDirectory(path: string, by: string): Directory {
  const at = resolve(path)
  const undo: (() => void)[] = []
  try {
    if (makeDirectory(at)) undo.push(() => rmdirSync(at))
    mayUse(at)
    hasFormat(at, by)
    const lock = takeLock(at)
    undo.push(() => lock.release())
    if (lock.made) undo.push(() => rmSync(join(at, 'lock')))
    const pid = join(at, 'pid')
    writePid(pid)
    undo.push(() => rmSync(pid, { force: true }))
    // Looked at once more: it is this process alone that changes the directory from here on.
    if (!hasFormat(at, by)) {
      undo.push(() => removeFormat(at))
      writeFormat(at, by)
      syncDirectory(dirname(at))
    }
    return directoryOf(at, lock, pid)
  } catch (error) {
    for (const step of undo.reverse()) attempt(step)
    throw fromSystem(error, at)
  }
}

function directoryOf(path: string, lock: Lock, pid: string): Directory {
  let open = true
  return {
    path,
    free: () => {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    },
    close: () => {
      if (!open) return
      open = false
      rmSync(pid, { force: true })
      lock.release()
    },
  }
}

/** @returns whether it was not there */
function makeDirectory(at: string): boolean {
  try {
    const found = statSync(at, { throwIfNoEntry: false })
    if (found?.isDirectory()) return false
    if (found) throw notADirectory(at)
    mkdirSync(at, { mode: 0o700 })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Another process has just made it.
    if (code === 'EEXIST' && statSync(at, { throwIfNoEntry: false })?.isDirectory()) return false
    throw code === 'ENOENT' || code === 'ENOTDIR' ? noParent(at, dirname(at), code) : error
  }
}

/** The directory and all of our files in it can be read and written. Opens none of them. */
function mayUse(at: string): void {
  accessSync(at, constants.R_OK | constants.W_OK | constants.X_OK)
  for (const name of readdirSync(at)) if (OURS.test(name)) mayUseFile(join(at, name))
}

function mayUseFile(file: string): void {
  try {
    accessSync(file, constants.R_OK | constants.W_OK)
  } catch (error) {
    // Gone since it was listed: another process has the directory, and makes files there.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const OURS = /^(format|lock|pid|boot|\d+\.log|(format|boot|next)\.tmp)$/

/** For people, and for the process that is refused. On a full disk it is left out: the lock counts. */
function writePid(file: string): void {
  try {
    writeFileSync(file, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** A step of going back; what the others can do is not held up by one that fails. */
function attempt(step: () => void): void {
  try {
    step()
  } catch {
    // The error that is thrown says why all this is undone.
  }
}

import { Database } from 'bun:sqlite'
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { heldBy, noLocks } from './directory-error.ts'

/** A directory's lock, held until it is released or the process ends, however it ends. */
export interface Lock {
  /** Whether the file was made for it. */
  readonly made: boolean
  release(): void
}

/**
 * Takes the lock of a directory: an exclusive transaction of SQLite on an empty file, which never ends. The
 * kernel lets go of it when the process dies, so it is never stale. **Nothing else in this process may open
 * that file**: closing any descriptor of it would let go, too (fcntl(2), F_SETLK).
 *
 * @throws DirectoryError if another process has it; the error of the file system
 */
export function takeLock(directory: string): Lock {
  const file = join(directory, 'lock')
  const made = makeFile(file)
  const { ino } = statSync(file)
  const database = locked(file, directory, made)
  // Else it is the file of a process that failed to start, and took it away.
  if (statSync(file, { throwIfNoEntry: false })?.ino === ino) return { made, release: () => database.close() }
  database.close()
  throw heldBy(directory, undefined)
}

/** How long a second process tries before it is refused. */
const BUSY_MS = 100

function locked(file: string, directory: string, made: boolean): Database {
  let database: Database | undefined
  try {
    database = new Database(file, { readwrite: true, create: false })
    // Else SQLite makes a file of its own beside it, and leaves it there when the process is killed.
    database.run('PRAGMA journal_mode=MEMORY')
    // Of two that begin at once, neither may get it at first. With locking_mode=EXCLUSIVE, neither ever
    // would: both keep the shared lock that they begin with.
    database.run(`PRAGMA busy_timeout=${BUSY_MS}`)
    database.run('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const { code } = error as { code?: string }
    if (code === 'SQLITE_BUSY') throw heldBy(directory, pidIn(directory))
    if (made) rmSync(file)
    throw code?.startsWith('SQLITE_') ? noLocks(directory, code) : error
  }
}

/** Makes a file, and leaves one that is there unopened. */
function makeFile(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** What the process that has the directory wrote there. */
function pidIn(directory: string): number | undefined {
  try {
    return Number(readFileSync(join(directory, 'pid'), 'utf8')) || undefined
  } catch {
    return undefined
  }
}

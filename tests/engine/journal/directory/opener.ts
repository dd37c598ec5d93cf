import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { openDirectory } from '../../../../src/engine/journal/directory/directory.ts'
import { DirectoryError } from '../../../../src/engine/journal/directory/directory-error.ts'

/** What this program prints, on one line. */
export interface Opened {
  /** Undefined if it was opened. */
  readonly trouble?: string
  readonly message?: string
  readonly pid: number
  /** What lies in the directory's parent, sorted. */
  readonly names: readonly string[]
}

/**
 * Opens the directory of its first argument, says what came of that, and holds it until its input ends. With
 * the second argument `unprivileged` it first lays down root's rights, if it has them.
 */
if (import.meta.main) {
  const path = process.argv[2]!
  if (process.argv[3] === 'unprivileged' && process.getuid!() === 0) process.setuid!(65534)
  try {
    const directory = openDirectory(path, 'mcp-broker 1.2.3')
    say({})
    await Bun.stdin.text()
    directory.close()
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error
    say({ trouble: error.trouble, message: error.message })
  }
}

function say(outcome: { trouble?: string; message?: string }): void {
  const names = readdirSync(dirname(process.argv[2]!)).sort()
  const opened: Opened = { ...outcome, pid: process.pid, names }
  console.log(JSON.stringify(opened))
}

import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder for a server's own files, which goes when the driver does. */
export function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'load-'))
  made.push(folder)
  return folder
}

const made: string[] = []
process.on('exit', () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

/** Kinds of file systems that lie in memory: tmpfs and ramfs. Source: statfs(2). */
const IN_MEMORY = [0x01021994, 0x858458f6]
const RESULTS = join(import.meta.dir, 'results')

/**
 * A new folder on a disk, where writing and syncing cost what they cost: that for temporary files often lies
 * in memory. It goes when the driver does.
 *
 * @throws Error where no folder on a disk is to be had
 */
export function diskFolder(): string {
  mkdirSync(RESULTS, { recursive: true })
  const parent = [tmpdir(), RESULTS].find((path) => !IN_MEMORY.includes(statfsSync(path).type))
  if (parent === undefined) throw new Error(`neither ${tmpdir()} nor ${RESULTS} lies on a disk`)
  return temporaryFolder(parent)
}

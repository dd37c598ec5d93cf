import { relative } from 'node:path'
import { packageManager } from '../../package.json'

/**
 * What a user types to run this program, for every hint that names a command: the compiled binary as it was
 * called, the source by its pinned version of Bun. The reference pages say `mcp-broker`: they are the same
 * everywhere.
 */
export const PROGRAM = import.meta.path.startsWith('/$bunfs/')
  ? quoted(process.argv0)
  : `npx -y ${packageManager} ${quoted(fromHere(new URL('../main.ts', import.meta.url).pathname))}`

/** A path as it is shortest to type: relative to the working directory where it lies below that. */
function fromHere(path: string): string {
  const below = relative(process.cwd(), decodeURIComponent(path))
  return below.startsWith('..') ? decodeURIComponent(path) : below
}

/** A word as a POSIX shell takes it. */
export function quoted(word: string): string {
  return /^[\w./+:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

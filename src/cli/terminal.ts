/** Where a verb writes: results to standard output, all else to standard error. */
export interface Terminal {
  /** Standard output is a terminal: columns and hints; else plain lines for another program. */
  readonly interactive: boolean
  /** Colours are wanted on standard output. Source: no-color.org. */
  readonly colour: boolean
  /** Width in columns. */
  readonly width: number
  out(line: string): void
  err(line: string): void
  /**
   * Shows a line in place of the one it showed before, until `undefined` takes it away. For terminals only.
   */
  moving(line: string | undefined): void
}

export function processTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  // A pipe reports that its reader has gone, at the write or later.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', unread)
  const interactive = process.stdout.isTTY === true
  const plain = Boolean(env.NO_COLOR) || env.TERM === 'dumb'
  return {
    interactive,
    colour: interactive && !plain,
    width: process.stdout.columns || 80,
    out: (line) => write(process.stdout, line),
    err: (line) => write(process.stderr, line),
    // The cursor goes back to the start, so that what is written next writes over the line.
    moving: (line = '') => write(process.stdout, `${ERASE_LINE}${line}`, '\r'),
  }
}

/** Erases the line that the cursor is in. Source: ECMA-48, EL. */
const ERASE_LINE = '\x1b[2K'

function write(stream: NodeJS.WriteStream, line: string, end = '\n'): void {
  try {
    stream.write(line + end)
  } catch (error) {
    unread(error)
  }
}

/** The reader of the pipe has gone, as in `mcp-broker watch backend | head -1`: that is no failure. */
function unread(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
}

/** Exit codes, the same for every verb. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

import { type DestinationStream, type Logger, pino } from 'pino'
import { readable } from './readable.ts'

/** Members that are never written, down to two objects deep. No code should pass them in the first place. */
const SECRETS = ['authorization', 'cookie', 'admin_key', 'api_key', 'key', 'payload'].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
])

export interface LogOptions {
  readonly level: string
  /** `auto` is readable in a terminal, JSON otherwise. */
  readonly format: 'auto' | 'json' | 'pretty'
  /** Whether the lines go to a terminal. */
  readonly terminal: boolean
  /** Whether it takes colours. */
  readonly colour: boolean
}

/**
 * The program's log: one JSON object a line, or a readable line for people; errors with their stack. It
 * writes in the thread that logs: pino's worker threads do not work in a compiled binary.
 *
 * @param destination where the lines go; standard output if left out
 */
export function createLog(options: LogOptions, destination: DestinationStream = pino.destination(1)): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && options.terminal)
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: '[secret]' },
    },
    pretty ? { write: (line) => destination.write(readable(line, options.colour)) } : destination,
  )
}

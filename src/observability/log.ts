import { type Logger, pino } from 'pino'

/** The program's log. Payloads and secrets are never passed to it. */
export function createLog(level: string): Logger {
  return pino({ level, base: null })
}

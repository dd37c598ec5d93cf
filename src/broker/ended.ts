import type { SessionHandle } from '../auth/session-handle.ts'
import { BrokerError } from '../core/errors.ts'
import type { SessionEnd } from '../core/session.ts'

/** The error for a caller whose session has ended. @param detail this case in a sentence */
export function endedError(end: SessionEnd, detail?: string): BrokerError {
  const code = end === 'replaced' ? 'session_replaced' : 'session_ended'
  return new BrokerError(code, detail === undefined ? {} : { detail })
}

/**
 * Refuses a call whose session ended while it waited: another session may hold the address by now.
 *
 * @param detail a sentence on what the call has done already
 * @throws BrokerError `session_replaced`, `session_ended`
 */
export function stillIn(session: SessionHandle | undefined, detail = ''): void {
  if (!session?.ended) return
  const what =
    session.ended === 'replaced' ? 'A newer session took the address over' : 'The session was ended'
  throw endedError(session.ended, `${what} while the call waited.${detail}`)
}

/**
 * What the engine answered to a call that named its session.
 *
 * @throws BrokerError `session_replaced`, `session_ended` if that session no longer holds the address
 */
export function unlessEnded<T extends object>(answer: T | SessionEnd): T {
  if (typeof answer === 'string') throw endedError(answer)
  return answer
}

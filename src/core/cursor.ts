import { BrokerError } from './errors.ts'

/**
 * A position in one mailbox, after the message at `offset`. Offsets start at 1; 0 is before the first
 * message.
 */
export interface Cursor {
  readonly epoch: string
  readonly offset: number
}

const CURSOR = /^([a-z0-9]{1,32}):(0|[1-9][0-9]{0,15})$/

/** Writes a cursor as `epoch:offset`. */
export function formatCursor(epoch: string, offset: number): string {
  return `${epoch}:${offset}`
}

/**
 * Reads `epoch:offset`.
 *
 * @param field JSON pointer of the parameter, for the error
 * @throws BrokerError `invalid_params` when the text is not a cursor
 */
export function parseCursor(text: string, field = '/after'): Cursor {
  const match = CURSOR.exec(text)
  if (!match)
    throw new BrokerError('invalid_params', {
      field,
      detail: `${field.slice(1)} is not a cursor: a cursor looks like "k3f9:17" and comes from the broker.`,
    })
  return { epoch: match[1]!, offset: Number(match[2]) }
}

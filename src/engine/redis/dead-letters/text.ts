import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import type { DeadFilter } from '../../values.ts'
import { type Outgoing, readOutgoing } from '../mailbox/text.ts'

/** How dead letters are written in Redis: see `dead-letters.lua`. */

/** A letter as it is listed. Numbers rise as letters come. */
export interface Numbered {
  readonly number: number
  readonly letter: DeadLetter
}

/** A message that died, with the text that its mailbox wrote. */
export interface OutgoingText extends Outgoing {
  readonly text: string
}

export function outgoingHead({ number, letter }: Outgoing): string {
  const { message_id, bytes } = letter.message
  return `${number} ${letter.reason} ${bytes} ${message_id}`
}

export function readNumbered(text: string, project: string): Numbered {
  const end = text.indexOf('\n')
  const [number, , , , ...recipient] = text.slice(0, end).split(' ')
  const { letter } = readOutgoing(text.slice(end + 1), { project, client_id: recipient.join(' ') })
  return { number: Number(number), letter }
}

/** A filter as the arguments of a script. */
export function filterArgs({ reason, client_id, message_ids, except }: DeadFilter): (string | number)[] {
  return [
    reason ?? '',
    client_id ?? '',
    message_ids?.size ?? '-',
    except?.size ?? 0,
    ...(message_ids ?? []),
    ...(except ?? []),
  ]
}

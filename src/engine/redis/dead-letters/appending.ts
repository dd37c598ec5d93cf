import type { StoredMessage } from '../../../core/message.ts'
import type { Address } from '../../values.ts'
import type { As } from '../mailbox/lanes.ts'

/**
 * Appends one message to a mailbox, which is made if there is none. A second call under the same name and
 * number stores nothing and answers the same; so does one under a lower number, whose call was made before.
 *
 * @param attempts deliveries so far
 * @returns whether it is stored, by this call or by one before; false: it found no room
 * @throws Error where it may have been stored, or not
 */
export type AppendOnce = (
  address: Address,
  message: StoredMessage,
  attempts: number,
  as: As,
) => Promise<boolean>

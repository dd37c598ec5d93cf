import type { Identity } from '../../auth/identity.ts'
import type { DoorContext } from '../door.ts'

/**
 * How many messages wait for a caller, for the end of a tool's text: the caller's own, or those of the address which a
 * stateless caller names.
 *
 * @param input the tool's arguments as they came
 * @returns 0 also when it cannot be known: what the tool did is done, and its result must not be lost over this
 */
export async function unreadFor(
  { broker, log }: DoorContext,
  identity: Identity,
  input: Record<string, unknown> | undefined,
): Promise<number> {
  try {
    if (identity.session) return await broker.unread(identity)
    const client_id = input?.client_id ?? input?.sender_id
    if (typeof client_id !== 'string') return 0
    const address = { project: identity.project, client_id }
    if (!(await broker.engine.ownedBy(address, identity.key_id))) return 0
    return (await broker.engine.mailbox(address))?.pending ?? 0
  } catch (err) {
    log.error({ err }, 'unread not known')
    return 0
  }
}

import { type Identity, ownedBy } from '../../auth/identity.ts'
import type { Command } from '../../broker/command.ts'
import { logLevelOf } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import type { DoorContext } from '../door.ts'
import type { ToolInput } from './result.ts'

/**
 * The number of unread messages that a tool's text ends with: those of the caller's session, or of the
 * address that a stateless caller names.
 *
 * @param input the tool's arguments as received
 * @returns 0 also when the engine fails: the command has run, and its result must not be lost for this
 */
export function unreadFor(
  context: DoorContext,
  identity: Identity,
  command: Command,
  input: ToolInput,
): MaybePromise<number> {
  const notKnown = (err: unknown) => {
    context.log[logLevelOf(err)]({ err }, 'unread not known')
    return 0
  }
  try {
    const unread = count(context, identity, command, input)
    return unread instanceof Promise ? unread.catch(notKnown) : unread
  } catch (err) {
    return notKnown(err)
  }
}

function count(
  { broker }: DoorContext,
  identity: Identity,
  command: Command,
  input: ToolInput,
): MaybePromise<number> {
  if (identity.session) return broker.unread(identity)
  // Only the argument that names the caller counts: `client_id` of another command may be a filter.
  const client_id = command.caller && input?.[command.caller]
  if (typeof client_id !== 'string') return 0
  return then(broker.engine.client(identity.project, { client_id }), (client) =>
    client && ownedBy(client, identity.key_id) ? client.pending : 0,
  )
}

import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { type Call, type Command, runToStored } from '../../broker/command.ts'
import { asBrokerError } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { correlationId, type DoorContext, logFailure } from '../door.ts'
import { type ToolInput, toolError, toolResult } from './result.ts'
import { unreadFor } from './unread.ts'

/**
 * Runs a command and returns the tool's result, once what it did is stored. Every failure becomes a tool
 * error; nothing is thrown.
 */
export function runTool(
  context: DoorContext,
  identity: Identity,
  command: Command,
  input: ToolInput,
  call: Call,
): MaybePromise<CallToolResult> {
  const { broker, log, calls } = context
  const fail = (thrown: unknown) => {
    const correlation_id = correlationId(thrown)
    logFailure(log, command.name, thrown, correlation_id, identity)
    return then(unreadFor(context, identity, command, input), (unread) =>
      toolError(asBrokerError(thrown), unread, correlation_id),
    )
  }
  try {
    const output = calls
      ? calls.watch('tools/call', command.name, () => runToStored(broker, command, identity, input, call))
      : runToStored(broker, command, identity, input, call)
    const result = then(output, (output) =>
      then(unreadFor(context, identity, command, input), (unread) =>
        toolResult(command, output, unread, broker.now()),
      ),
    )
    return result instanceof Promise ? result.catch(fail) : result
  } catch (thrown) {
    return fail(thrown)
  }
}

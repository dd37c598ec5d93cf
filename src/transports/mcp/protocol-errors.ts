import { ProtocolError } from '@modelcontextprotocol/server'
import type { Logger } from 'pino'
import type { Identity } from '../../auth/identity.ts'
import { asBrokerError, errorBody } from '../../core/errors.ts'
import { correlationId, type DoorContext, logFailure } from '../door.ts'
import { errorText } from './result.ts'

/**
 * Runs the handler of a request other than `tools/call`; ends when what it did is stored. Whatever it throws
 * becomes a JSON-RPC error with an entry of the catalogue. A fault of our own is logged, and its details are
 * not sent to the client.
 *
 * @throws ProtocolError
 */
export async function withProtocolErrors<R>(
  context: DoorContext,
  identity: Identity,
  method: string,
  run: () => R | Promise<R>,
): Promise<R> {
  const { end_of_turn } = context.broker
  try {
    const result = await run()
    await end_of_turn.over()
    return result
  } catch (thrown) {
    await end_of_turn.over()
    if (thrown instanceof ProtocolError) throw thrown
    const correlation_id = correlationId()
    logFailure(context.log, method, thrown, correlation_id, identity)
    const error = asBrokerError(thrown)
    const body = errorBody(error, correlation_id)
    throw new ProtocolError(error.entry.rpc_code, errorText(body), body)
  }
}

/** Logs what the SDK reports, up to the first colon: what follows may quote the client. */
export function reportTo(log: Logger): (error: Error) => void {
  return ({ message }) => log.debug({ reported: message.split(':', 1)[0] }, 'MCP')
}

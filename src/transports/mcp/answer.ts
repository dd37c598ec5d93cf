import { ProtocolError } from '@modelcontextprotocol/server'
import type { Logger } from 'pino'
import type { Identity } from '../../auth/identity.ts'
import { asBrokerError, errorBody } from '../../core/errors.ts'
import { correlationId, type DoorContext, logFailure } from '../door.ts'
import { errorText } from './result.ts'

/**
 * Answers a request that is no tool call. What goes wrong is an entry of the catalogue as a JSON-RPC error, and a fault
 * of our own is logged and not told.
 *
 * @throws ProtocolError
 */
export async function answer<R>(
  context: DoorContext,
  identity: Identity,
  method: string,
  run: () => R | Promise<R>,
): Promise<R> {
  try {
    return await run()
  } catch (thrown) {
    if (thrown instanceof ProtocolError) throw thrown
    const correlation_id = correlationId()
    logFailure(context.log, method, thrown, correlation_id, identity)
    const error = asBrokerError(thrown)
    const body = errorBody(error, correlation_id)
    throw new ProtocolError(error.entry.rpc_code, errorText(body), body)
  }
}

/** Logs what the SDK reports. What follows the first colon may quote the client, and stays out of the log. */
export function reportTo(log: Logger): (error: Error) => void {
  return ({ message }) => log.debug({ reported: message.split(':', 1)[0] }, 'MCP')
}

import {
  type CallToolRequest,
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import type { Command } from '../../broker/command.ts'
import { COMMANDS_BY_NAME } from '../../broker/commands/index.ts'
import { nearestNames } from '../../core/routing.ts'
import type { DoorContext } from '../door.ts'
import { answerable, turnOf } from './exchange.ts'
import { runTool } from './tool-call.ts'
import type { Waits } from './waits.ts'

/**
 * Carries out `tools/call`. Whatever goes wrong in the command is a tool error, which a model can read and act upon.
 *
 * @throws ProtocolError `-32602` for a tool that there is not
 */
export async function callTool(
  context: DoorContext,
  waits: Waits,
  identity: Identity,
  { name, arguments: input }: CallToolRequest['params'],
  call: ServerContext,
): Promise<CallToolResult> {
  const command = COMMANDS_BY_NAME.get(name)
  if (!command) throw unknownTool(name)
  const signal = signalOf(call)
  if (call.http?.req) await turnOf(call.http.req)
  // It takes nothing for one who has gone meanwhile.
  if (signal.aborted) throw new ProtocolError(ProtocolErrorCode.InvalidRequest, 'Cancelled')
  const endWait = waits.begin(progressOf(command, input, call))
  try {
    return await runTool(context, identity, command, input, { signal })
  } finally {
    endWait()
  }
}

function unknownTool(name: string): ProtocolError {
  const near = nearestNames(name.slice(0, 64), COMMANDS_BY_NAME.keys())
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ' See tools/list.'
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool "${name.slice(0, 64)}".${hint}`)
}

/**
 * Ends a wait when it is cancelled, and also when its connection or its stream is gone: nothing must be read out of a mailbox
 * for a client that may have died, or that was cut off. A client of the 2025 era that resumes the stream finds an empty answer and asks again.
 */
function signalOf({ mcpReq, http }: ServerContext): AbortSignal {
  return http?.req ? AbortSignal.any([mcpReq.signal, http.req.signal, answerable(http.req)]) : mcpReq.signal
}

/** How the client is told that a call still waits, where it can wait and the client gave a token for it. */
function progressOf(
  command: Command,
  input: Record<string, unknown> | undefined,
  { mcpReq }: ServerContext,
): ((progress: number) => void) | undefined {
  const progressToken = mcpReq._meta?.progressToken
  if (command.waits === undefined || progressToken === undefined) return undefined
  const total = input?.[command.waits]
  return (progress) => {
    mcpReq
      .notify({
        method: 'notifications/progress',
        params: {
          progressToken,
          progress,
          ...(typeof total === 'number' ? { total } : {}),
          message: 'still waiting',
        },
      })
      // The stream has just gone: the call ends by its signal.
      .catch(() => undefined)
  }
}

import {
  type CallToolRequest,
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import type { Command } from '../../broker/command.ts'
import { TOOLS_BY_NAME } from '../../broker/commands/index.ts'
import { nearestNames } from '../../core/routing.ts'
import type { DoorContext } from '../door.ts'
import { answerable, turnOf } from './exchange.ts'
import type { ProgressReports } from './progress.ts'
import { runTool } from './tool-call.ts'

/**
 * Carries out `tools/call`. A failure of the command is a tool error, which a model can read and act upon.
 *
 * @throws ProtocolError `-32602` for an unknown tool, `-32600` for a call that was cancelled before it began
 */
export async function callTool(
  context: DoorContext,
  progress: ProgressReports,
  identity: Identity,
  { name, arguments: input }: CallToolRequest['params'],
  call: ServerContext,
): Promise<CallToolResult> {
  const command = TOOLS_BY_NAME.get(name)
  if (!command) throw unknownTool(name)
  const signal = signalOf(call)
  if (call.http?.req) await turnOf(call.http.req)
  // The client may have gone meanwhile: no mail is taken for it.
  if (signal.aborted) throw new ProtocolError(ProtocolErrorCode.InvalidRequest, 'Cancelled')
  const endReports = progress.begin(progressOf(command, input, call))
  try {
    return await runTool(context, identity, command, input, { signal })
  } finally {
    endReports()
  }
}

function unknownTool(name: string): ProtocolError {
  const near = nearestNames(name.slice(0, 64), TOOLS_BY_NAME.keys())
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ' See tools/list.'
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool "${name.slice(0, 64)}".${hint}`)
}

/**
 * Ends a wait when it is cancelled, and also when its connection or its stream has ended: no mail must be
 * taken for a client that may have died or was cut off. A client of the 2025 era that resumes the stream
 * gets an empty answer and asks again.
 */
function signalOf({ mcpReq, http }: ServerContext): AbortSignal {
  return http?.req ? AbortSignal.any([mcpReq.signal, http.req.signal, answerable(http.req)]) : mcpReq.signal
}

/** Tells the client that its call still waits; undefined if it cannot wait or the client gave no token. */
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
      // The stream has just ended, which ends the call by its signal.
      .catch(() => undefined)
  }
}

import { Elysia } from 'elysia'
import type { Identity } from '../../auth/identity.ts'
import { type Command, runCommand } from '../../broker/command.ts'
import { COMMANDS } from '../../broker/commands/index.ts'
import { BrokerError } from '../../core/errors.ts'
import { readJson } from '../body.ts'
import type { Door, DoorContext } from '../door.ts'
import { Gate, type HttpContext, jsonResponse, queryOf } from '../gate.ts'
import { bodyInput, joinInput, queryInput } from '../input.ts'

/** Plain HTTP: a route for each row of the command table, and what operators and people look at. */
export function httpDoor(context: DoorContext): Door {
  const gate = new Gate(context)
  const routes = new Elysia()
  for (const command of COMMANDS)
    routes.route(
      command.http.method,
      elysiaPath(command.http.path),
      // Taken apart here, so that Elysia sees what is used, and does not parse the rest of the request for us.
      ({ request, params, server }: HttpContext) =>
        gate.answer(request, command.name, (identity) =>
          carryOut(context, command, identity, { request, params, server }),
        ),
      OWN_BODY,
    )
  return { routes, close: (drain_ms) => gate.idle(drain_ms) }
}

/** The body is ours to read, within our limits. */
const OWN_BODY = { parse: 'none' } as const

async function carryOut(
  { broker, config }: DoorContext,
  command: Command,
  identity: Identity,
  { request, params, server }: HttpContext,
): Promise<Response> {
  // A HEAD comes in through the route of GET, and must not take messages out of a mailbox.
  if (request.method === 'HEAD') throw new BrokerError('method_not_allowed')
  const query = queryOf(request)
  const rest =
    command.http.method === 'POST'
      ? bodyInput(await readJson(request, config.body_bytes_max), query)
      : queryInput(command.input, query)
  const input = joinInput(params, rest)
  if (command.waits) server?.timeout(request, 0)
  const output = await runCommand(broker, command, identity, input, {
    signal: command.waits ? request.signal : undefined,
  })
  return jsonResponse(JSON.stringify(output), command.http.status)
}

/** `{client_id}` as Elysia writes it. */
function elysiaPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

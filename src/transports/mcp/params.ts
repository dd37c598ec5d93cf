import type { Result, Server, StandardSchemaV1 } from '@modelcontextprotocol/server'
import { type Static, type TObject, Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { checkInput } from '../../broker/command.ts'
import { closed, named } from '../../broker/commands/schema.ts'
import type { DoorContext } from '../door.ts'
import { withProtocolErrors } from './protocol-errors.ts'

export const InboxParams = closed({
  uri: Type.String({ description: 'the URI of an inbox, such as "inbox://frontend"' }),
})

export const ResourceParams = closed({
  uri: Type.String({
    description: 'the URI of an inbox or a protocol, such as "inbox://frontend" or "protocol://chat/1.0.0"',
  }),
})

export const PageParams = closed({
  cursor: Type.Optional(Type.String({ description: 'the nextCursor of the page before' })),
})

export const PromptParams = closed({
  name: Type.String({ description: 'the name of a prompt, as in prompts/list' }),
  arguments: Type.Optional(named(Type.String({ description: 'a text' }))),
})

/** Accepts anything, since we check: the SDK would answer wrong parameters as an internal error (-32603). */
const UNCHECKED: StandardSchemaV1<Record<string, unknown>> = {
  '~standard': {
    version: 1,
    vendor: 'mcp-broker',
    validate: (value) => ({ value: value as Record<string, unknown> }),
  },
}

/**
 * Sets the handler of a method other than `tools/call`. Wrong parameters are answered `-32602` with our own
 * sentence. Parameters that the schema does not name are ignored, since revisions of the protocol add some.
 */
export function handleMethod<P extends TObject>(
  server: Server,
  { context, identity }: { context: DoorContext; identity: Identity },
  method: string,
  schema: P,
  run: (params: Static<P>) => Result | Promise<Result>,
): void {
  server.setRequestHandler(method, { params: UNCHECKED }, (params) =>
    withProtocolErrors(context, identity, method, () => {
      const known = Object.keys(schema.properties).filter((name) => params[name] !== undefined)
      return run(checkInput(schema, Object.fromEntries(known.map((name) => [name, params[name]]))))
    }),
  )
}

import { Server } from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import type { DoorContext } from '../door.ts'
import { INBOX_TEMPLATE } from './inbox.ts'
import { handleMethod, PageParams, PromptParams, ResourceParams } from './params.ts'
import type { ProgressReports } from './progress.ts'
import { getPrompt, PROMPTS } from './prompts.ts'
import { reportTo } from './protocol-errors.ts'
import { PROTOCOL_TEMPLATE } from './protocols.ts'
import { listResources, readResource } from './resources.ts'
import { SERVER_INFO } from './server-info.ts'
import { toolsOf } from './tool-list.ts'
import { callTool } from './tools.ts'

/** What clients may pass on to their model. */
const INSTRUCTIONS = `A message broker for agents. Begin with checkin_client and a client_id of your choice: others reach you under it.
Find them with list_sessions and write with send_message, or send_message_and_wait if you need the answer now.
Read your mail with get_messages; with wait_seconds it waits for the first message, which beats asking again and again.
Answer with send_message and the message's message_id as in_reply_to.
discover_protocols shows which typed messages are understood here, each with an example payload.
Where your client keeps no session, name yourself in every call: sender_id when sending, client_id when reading.`

/** Tools, prompts and the template change with the broker's version only. */
const STATIC_TTL_MS = 300_000

/** A server of the SDK for one session of the 2025 era, or for one request of the 2026 era. */
export function createServer(context: DoorContext, progress: ProgressReports, identity: Identity): Server {
  const { broker } = context
  const server = new Server(SERVER_INFO, {
    capabilities: { tools: {}, resources: { subscribe: true }, prompts: {} },
    instructions: INSTRUCTIONS,
    cacheHints: {
      'server/discover': { ttlMs: STATIC_TTL_MS, cacheScope: 'public' },
      'tools/list': { ttlMs: STATIC_TTL_MS, cacheScope: 'public' },
      'prompts/list': { ttlMs: STATIC_TTL_MS, cacheScope: 'public' },
      'resources/templates/list': { ttlMs: STATIC_TTL_MS, cacheScope: 'public' },
    },
  })
  server.onerror = reportTo(context.log)
  const caller = { context, identity }
  handleMethod(server, caller, 'tools/list', PageParams, () => ({ tools: [...toolsOf(broker.limits)] }))
  server.setRequestHandler('tools/call', ({ params }, call) =>
    callTool(context, progress, identity, params, call),
  )
  handleMethod(server, caller, 'resources/list', PageParams, ({ cursor }) =>
    listResources(broker, identity, cursor),
  )
  handleMethod(server, caller, 'resources/templates/list', PageParams, () => ({
    resourceTemplates: [INBOX_TEMPLATE, PROTOCOL_TEMPLATE],
  }))
  handleMethod(server, caller, 'resources/read', ResourceParams, ({ uri }) =>
    readResource(broker, identity, uri),
  )
  handleMethod(server, caller, 'prompts/list', PageParams, () => ({ prompts: [...PROMPTS] }))
  handleMethod(server, caller, 'prompts/get', PromptParams, getPrompt)
  return server
}

import type { Command } from '../command.ts'
import { sendMessageAndWait } from './asking.ts'
import { broadcastMessage } from './broadcasting.ts'
import { listDeadLetters, requeueDeadLetters } from './dead-letters.ts'
import { negotiateCapabilities } from './negotiating.ts'
import { checkinClient, disconnectSession, getMyIdentity, heartbeat, listSessions } from './presence.ts'
import { deprecateProtocol, discoverProtocols, registerProtocol } from './protocols.ts'
import { ackMessages, getMessageStatus, getMessages, nackMessages, replayMessages } from './reading.ts'
import { sendMessage } from './sending.ts'
import { migrateMessages, transformMessage } from './transforming.ts'

/** The command table, in the order in which every door lists it. */
export const COMMANDS: readonly Command[] = [
  checkinClient,
  heartbeat,
  disconnectSession,
  listSessions,
  getMyIdentity,
  sendMessage,
  broadcastMessage,
  sendMessageAndWait,
  getMessages,
  ackMessages,
  nackMessages,
  getMessageStatus,
  replayMessages,
  listDeadLetters,
  requeueDeadLetters,
  registerProtocol,
  discoverProtocols,
  negotiateCapabilities,
  deprecateProtocol,
  transformMessage,
  migrateMessages,
]

/** The rows that are MCP tools. */
export const TOOLS: readonly Command[] = COMMANDS.filter(({ tool }) => tool !== false)

export const COMMANDS_BY_NAME = byName(COMMANDS)
export const TOOLS_BY_NAME = byName(TOOLS)

function byName(commands: readonly Command[]): ReadonlyMap<string, Command> {
  return new Map(commands.map((command) => [command.name, command]))
}

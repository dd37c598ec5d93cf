import type { Command } from '../command.ts'
import { sendMessageAndWait } from './asking.ts'
import { listDeadLetters, requeueDeadLetters } from './dead-letters.ts'
import { checkinClient, disconnectSession, getMyIdentity, heartbeat, listSessions } from './presence.ts'
import { ackMessages, getMessageStatus, getMessages, nackMessages, replayMessages } from './reading.ts'
import { broadcastMessage, sendMessage } from './sending.ts'

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
]

export const COMMANDS_BY_NAME: ReadonlyMap<string, Command> = new Map(
  COMMANDS.map((command) => [command.name, command]),
)

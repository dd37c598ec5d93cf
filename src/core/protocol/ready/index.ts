import type { ProtocolDefinition } from '../definition.ts'
import { CHAT } from './chat.ts'
import { FILE_LEASE } from './file-lease.ts'
import { TASK } from './task.ts'

/** The protocols that every project has, unless it registers one of the name itself. */
export const READY_PROTOCOLS: readonly ProtocolDefinition[] = [CHAT, TASK, FILE_LEASE]

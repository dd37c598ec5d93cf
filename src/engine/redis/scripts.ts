import { ADMIT } from './addresses/address-index.ts'
import { CLAIM_DUE } from './addresses/due-index.ts'
import { FIND } from './addresses/lists.ts'
import * as dead from './dead-letters/scripts.ts'
import { APPEND, HISTORY, OPEN, OVERWRITE, READ, REWRITE, SETTLE } from './mailbox/scripts.ts'
import { LIST, PUT } from './records/records.ts'
import type { Script } from './script.ts'
import { CLAIM, FINISH } from './sends/calls.ts'
import { CHECKIN, CLIENT, END, HEARD, SWEEP } from './sessions/scripts.ts'

/** All that the engine runs, to be loaded into each server that it comes to. */
export const SCRIPTS: readonly Script[] = [
  ...[APPEND, HISTORY, OPEN, OVERWRITE, READ, REWRITE, SETTLE],
  ...[CHECKIN, CLIENT, END, HEARD, SWEEP, FIND],
  ...[CLAIM, FINISH, ADMIT, CLAIM_DUE, LIST, PUT],
  ...Object.values(dead),
]

import { PIPELINE_FAULTS } from './faults.ts'

/** Whose calls fail in each way. */
const SCRIPTS = ['append', 'claim', 'finish', 'checkin', 'open', 'read', 'settle', 'sweep', 'client'] as const

/** What seldom happens, and has to happen in a run of many seeds. */
export const RARE_PATHS: readonly string[] = [
  ...SCRIPTS.flatMap((script) => PIPELINE_FAULTS.map((fault) => `${script} ${fault}`)),
  'PUBLISH lost',
  'given up: unknown',
  'given up: unsent',
  'outage',
  'failover',
  'deafness',
  'missed',
  'announced lost',
  'acknowledged lost',
  'died lost',
  'session lost',
  'event doubled',
  'crash',
  'takeover',
  'parted',
  'sent after a failure',
  'resumed after a cursor',
  'closed: session_replaced',
  'closed: slow_reader',
  'found by a look',
  'answered',
  'answered by any message',
  'poll woken',
  'ended in safety',
  'ended in liveness',
]

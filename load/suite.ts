import type { Scenario } from './scenario.ts'
import { attacks } from './scenarios/attacks.ts'
import { broadcast } from './scenarios/broadcast.ts'
import { direct, directFrames, typed } from './scenarios/direct.ts'
import { durableLatency } from './scenarios/durable-latency.ts'
import { idle } from './scenarios/idle.ts'
import { logSize } from './scenarios/log-size.ts'
import { mcp } from './scenarios/mcp.ts'
import { mixed } from './scenarios/mixed.ts'
import { receipts } from './scenarios/receipts.ts'
import { redisCommands } from './scenarios/redis-commands.ts'
import { redisDirect } from './scenarios/redis-direct.ts'
import { redisMixed } from './scenarios/redis-mixed.ts'
import { requestReply } from './scenarios/request-reply.ts'
import { rest } from './scenarios/rest.ts'
import { slowReaders } from './scenarios/slow-readers.ts'
import { soak } from './scenarios/soak.ts'
import { sse } from './scenarios/sse.ts'
import { start } from './scenarios/start.ts'
import { storm } from './scenarios/storm.ts'

/** All scenarios, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  direct,
  directFrames,
  typed,
  receipts,
  durableLatency,
  logSize,
  broadcast,
  requestReply,
  mcp,
  sse,
  mixed,
  redisDirect,
  redisMixed,
  redisCommands,
  storm,
  slowReaders,
  attacks,
  idle,
  rest,
  start,
  soak,
]

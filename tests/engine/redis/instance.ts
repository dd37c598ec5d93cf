import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { parseTarget } from '../../../src/core/redis-target.ts'
import {
  type EngineConnection,
  RedisConnection,
} from '../../../src/engine/redis/connection/redis-connection.ts'
import { RedisEngine } from '../../../src/engine/redis/redis.ts'
import { SCRIPTS } from '../../../src/engine/redis/scripts.ts'

let instances = 0
let epochs = 0

/** @param prefix of keys: instances with the same one share what is stored */
export function newRedisEngine(
  url: string,
  prefix: string,
  {
    now = Date.now,
    limits = () => DEFAULT_LIMITS,
    around = (connection) => connection,
  }: {
    now?: () => number
    limits?: (project: string) => Limits
    /** Puts something round the connection. */
    around?: (connection: EngineConnection) => EngineConnection
  } = {},
): RedisEngine {
  const options = { target: parseTarget(url), prefix, scripts: SCRIPTS, note: () => undefined }
  return new RedisEngine({
    connection: around(new RedisConnection(options)),
    limits,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${(epochs++).toString(36)}`,
    instance: `i${++instances}`,
    report: (trouble) => {
      throw trouble
    },
  })
}

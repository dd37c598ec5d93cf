import { StorageFailed } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { parseTarget } from '../../../src/core/redis-target.ts'
import {
  type EngineConnection,
  RedisConnection,
} from '../../../src/engine/redis/connection/redis-connection.ts'
import { RedisEngine } from '../../../src/engine/redis/redis.ts'
import type { Run } from '../../../src/engine/redis/script.ts'
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
    through = (run) => run,
    around = (connection) => connection,
  }: {
    now?: () => number
    limits?: (project: string) => Limits
    /** Carries the calls of scripts, as by a connection that breaks. */
    through?: (run: Run) => Run
    /** Puts something round the connection. */
    around?: (connection: EngineConnection) => EngineConnection
  } = {},
): RedisEngine {
  const instance = `i${++instances}`
  const connection = new RedisConnection({
    target: parseTarget(url),
    prefix,
    instance,
    scripts: SCRIPTS,
    note: () => undefined,
  })
  Object.assign(connection, { run: through(connection.run) })
  return new RedisEngine({
    connection: around(connection),
    limits,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${(epochs++).toString(36)}`,
    instance,
    // As a broker, it takes what the connection has told for known.
    report: (trouble) => {
      if (!(trouble instanceof StorageFailed && trouble.told)) throw trouble
    },
  })
}

import type { RedisOptions } from 'ioredis'
import type { Target } from '../../../core/redis-target.ts'

/** Without what changes the types of answers. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** Milliseconds until a connection is tried again at the latest. */
const RETRY_MS_MAX = 500
const RETRY_MS_MIN = 50

/**
 * What the library is to do, tried as a set. It sends nothing by itself a second time, and keeps nothing for
 * later: the client does. `socketTimeout` closes a connection to a server that stands still: one that wakes
 * up as a replica would take what it is sent, and lose it.
 */
export function optionsOf(target: Target, ca: string | undefined): ConnectionOptions {
  const common: ConnectionOptions = {
    ...(target.username !== undefined && { username: target.username }),
    ...(target.password !== undefined && { password: target.password }),
    ...(target.tls && { tls: ca === undefined ? {} : { ca } }),
    lazyConnect: true,
    // Answers are flat lists, as scripts read them.
    protocol: 2,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 800,
    socketTimeout: 1500,
    connectTimeout: 1000,
    // A master that has become a replica: connect anew, to the one that is master now.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    retryStrategy,
  }
  if (target.form === 'cluster') throw new Error('a cluster has options of its own')
  if (target.form === 'standalone') {
    const [{ host, port }] = target.endpoints
    return { ...common, host, port, db: target.database }
  }
  return {
    ...common,
    db: target.database,
    sentinels: [...target.endpoints],
    name: target.master,
    ...(target.sentinel_password !== undefined && { sentinelPassword: target.sentinel_password }),
    ...(target.tls && { enableTLSForSentinelMode: true, sentinelTLS: ca === undefined ? {} : { ca } }),
    sentinelRetryStrategy: () => 100,
    sentinelCommandTimeout: 500,
    // It can end the client for good.
    failoverDetector: false,
  }
}

/** Any time up to a bound that doubles with each try, so that many clients do not come back as one. */
function retryStrategy(times: number): number {
  return Math.ceil(Math.random() * Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** times))
}

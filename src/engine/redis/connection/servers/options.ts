import { isIP } from 'node:net'
import type { RedisOptions } from 'ioredis'
import type { Endpoint, Target } from '../../../../core/redis-target.ts'
import { verdictOn } from '../failures.ts'

/** Of ioredis, with answers in the shapes that they had before RESP3. */
export type ConnectionOptions = RedisOptions & { replyMapping?: 'legacy' }

/** How long things may take, in milliseconds. They belong together, and were tried as a set. */
const COMMAND_MS = 700
const SOCKET_MS = 1500
const CONNECT_MS = 1000

/** How long WAIT may wait: less than a command, which it is followed by. */
export const WAIT_MS = 500

/** Between two tries to connect: any time up to 50 ms, 100 ms and so on, but not over 500 ms. */
export function retryMs(times: number): number {
  return Math.ceil(Math.random() * Math.min(500, 50 * 2 ** (times - 1)))
}

/**
 * The options of a connection for commands. Nothing is queued or sent again by ioredis: a call that is
 * repeated is repeated here, where it is known what that means. `socketTimeout` closes a connection to a
 * server that stands still: one that wakes up as a replica would take what it is sent, and lose it.
 *
 * @param address of a node, in a cluster
 * @param ca PEM of the authorities to trust instead of the usual ones
 */
export function connectionOptions(target: Target, ca?: string, address?: Endpoint): ConnectionOptions {
  const tls = ca === undefined ? {} : { ca }
  const { form, username, password } = target
  const database = form === 'cluster' ? 0 : target.database
  const options: ConnectionOptions = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(database === 0 ? {} : { db: database }),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_MS,
    socketTimeout: SOCKET_MS,
    connectTimeout: CONNECT_MS,
    reconnectOnError: (error) => (verdictOn(error) === 'elsewhere' ? 1 : false),
    retryStrategy: retryMs,
  }
  if (form !== 'sentinel') {
    const { host, port } = address ?? target.endpoints[0]!
    const named = isIP(host) ? tls : { ...tls, servername: host }
    return { ...options, host, port, ...(target.tls ? { tls: named } : {}) }
  }
  const { endpoints, master, sentinel_password } = target
  return {
    ...options,
    sentinels: [...endpoints],
    name: master,
    ...(sentinel_password === undefined ? {} : { sentinelPassword: sentinel_password }),
    sentinelRetryStrategy: () => 100,
    sentinelCommandTimeout: 500,
    failoverDetector: false,
    ...(target.tls ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  }
}

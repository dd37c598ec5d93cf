import { parseTarget } from '../../core/redis-target.ts'
import { RedisConnection } from './connection/redis-connection.ts'
import { RedisEngine, type RedisEngineOptions } from './redis.ts'
import { SCRIPTS } from './scripts.ts'

export interface OpenRedisOptions {
  readonly url: string
  /** Of all keys and channels. */
  readonly prefix: string
  /** PEM of the authority that the servers' certificates are checked against; the usual ones if undefined. */
  readonly ca?: string | undefined
  /** As in {@link RedisConnectionOptions}. */
  readonly wait_replicas?: number | undefined
  /** Told in a sentence when the connection is lost, or there again. */
  readonly note: (sentence: string) => void
}

/** Makes an engine on a server. @throws Error with one sentence for a URL that names none */
export function openRedis(
  { url, prefix, ca, wait_replicas, note }: OpenRedisOptions,
  options: Omit<RedisEngineOptions, 'connection' | 'instance'>,
): RedisEngine {
  const instance = options.newEpoch()
  const target = parseTarget(url)
  const connection = new RedisConnection({
    target,
    prefix,
    ca,
    wait_replicas,
    instance,
    scripts: SCRIPTS,
    note,
  })
  // All brokers go by the server's clock.
  const now = () => options.now() + connection.clock_offset_ms
  return new RedisEngine({ ...options, connection, now, instance })
}

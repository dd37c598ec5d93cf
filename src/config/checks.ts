import { isLoopback } from '../core/loopback.ts'
import { parseTarget } from '../core/redis-target.ts'
import type { Config } from './schema.ts'

/** One mistake in the settings: what is wrong and where, and what to do. */
export interface Problem {
  readonly what: string
  readonly fix: string
}

/**
 * The mistakes between settings that are each valid by themselves.
 *
 * @param origins where each value came from
 */
export function crossCheck(config: Config, origins: Readonly<Record<string, string>>): Problem[] {
  const problems: Problem[] = []
  const said = (key: keyof Config) => `${key} is ${config[key]} (${origins[key]})`
  if (config.stale_seconds >= config.disconnected_seconds)
    problems.push({
      what: `${said('stale_seconds')}, but ${said('disconnected_seconds')}.`,
      fix: 'A session is stale before it is disconnected: stale_seconds must be the smaller.',
    })
  if (config.ttl_seconds > config.ttl_seconds_max)
    problems.push({
      what: `${said('ttl_seconds')}, but ${said('ttl_seconds_max')}.`,
      fix: 'The default time to live must not exceed the longest: lower the one or raise the other.',
    })
  if (config.mailbox_bytes_max > config.stored_bytes_max)
    problems.push({
      what: `${said('mailbox_bytes_max')}, but ${said('stored_bytes_max')}.`,
      fix: 'One mailbox cannot hold more than the whole broker: lower the one or raise the other.',
    })
  if (config.journal_sync === 'full' && config.data_dir === undefined)
    problems.push({
      what: `${said('journal_sync')}, but there is no data_dir.`,
      fix: 'Without a directory nothing outlives the process: give one with --data-dir, or leave journal_sync out.',
    })
  if (config.redis_url !== undefined) problems.push(...redisProblems(config.redis_url))
  const exposed = exposure(config)
  return exposed ? [...problems, exposed] : problems
}

function redisProblems(redis_url: string): Problem[] {
  try {
    parseTarget(redis_url)
    return []
  } catch (error) {
    const what = `redis_url: ${error instanceof Error ? error.message : error}`
    return [{ what, fix: 'Say where the server is: --redis-url redis://host:6379' }]
  }
}

/** The mistake of settings that open the broker to everybody, unless `insecure` says that this is meant. */
export function exposure({ host, admin_key, insecure }: Config): Problem | undefined {
  if (isLoopback(host) || admin_key !== undefined || insecure) return undefined
  return {
    what: `Listening on ${host} without keys would let anybody who reaches it read and send everything.`,
    fix: 'Set MCP_BROKER_ADMIN_KEY, or listen on 127.0.0.1, or say --insecure if that is what you want.',
  }
}

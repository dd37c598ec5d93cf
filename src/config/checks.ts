import type { Problem } from './load.ts'
import type { Config } from './schema.ts'

/**
 * What is wrong between settings which are each right by themselves.
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
  return problems
}

import { parseTarget } from '../../../../src/core/redis-target.ts'
import { RedisClient, type RedisClientOptions } from '../../../../src/engine/redis/connection/redis-client.ts'
import { RedisSubscriber } from '../../../../src/engine/redis/connection/subscriber/subscriber.ts'
import { script } from '../../../../src/engine/redis/script.ts'
import { until } from '../../../harness.ts'

export const PREFIX = 'test:0:'

/** Answers its arguments. */
export const ECHO = script('echo', 'return ARGV')

/**
 * Counts each number of a writer once, as the engine's scripts know a call that is made again. Answers the
 * count, and how often the call came.
 */
export const COUNT = script(
  'count',
  "local seen = redis.call('HINCRBY', KEYS[1], 'call:' .. ARGV[1], 1)",
  "if seen == 1 then redis.call('HINCRBY', KEYS[1], 'count', 1) end",
  "return {tonumber(redis.call('HGET', KEYS[1], 'count')), seen}",
)

export type Client = RedisClient & Disposable

/** A client that ends with its test. */
export function clientOf(url: string, options: Partial<RedisClientOptions> = {}): Client {
  const client = new RedisClient({
    target: parseTarget(url),
    prefix: PREFIX,
    scripts: [ECHO, COUNT],
    ...options,
  })
  return Object.assign(client, { [Symbol.dispose]: () => client.stop() })
}

/** The same, once it is ready. */
export async function readyClient(url: string, options: Partial<RedisClientOptions> = {}): Promise<Client> {
  const client = clientOf(url, options)
  await isReady(client)
  return client
}

export function isReady(client: RedisClient, ms = 10_000): Promise<true> {
  return until(
    `a client that is ready: ${client.faults}`,
    () => (client.state === 'ready' ? true : undefined),
    ms,
  )
}

/** The failure of a promise. @throws Error if there is none */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const answer = await promise.then(
    (value) => ({ value }),
    (error: Error) => error,
  )
  if (answer instanceof Error) return answer
  throw new Error(`no failure, but ${JSON.stringify(answer.value)}`)
}

/** A subscriber that ends with its test, and keeps what it hears. */
export class Listener extends RedisSubscriber implements Disposable {
  /** Channel and text of each message. */
  readonly heard: string[] = []
  missed = 0;

  [Symbol.dispose](): void {
    this.stop()
  }
}

export function subscriberOf(client: RedisClient): Listener {
  const listener: Listener = new Listener(client, {
    message: (channel, text) => listener.heard.push(`${channel} ${text}`),
    missed: () => listener.missed++,
  })
  return listener
}

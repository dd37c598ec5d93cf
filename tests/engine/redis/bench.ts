import { Redis } from 'ioredis'
import type { Run } from '../../../src/engine/redis/script.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { argsAt, PLACE } from './place.ts'

/** A server with a connection, and scripts run on it. */
export class Bench implements AsyncDisposable {
  private constructor(
    readonly server: RedisServer,
    readonly redis: Redis,
  ) {}

  static async start(): Promise<Bench> {
    const server = await RedisServer.start()
    return new Bench(server, new Redis(server.url))
  }

  readonly run: Run = async ({ sha1, text }, keys, made) => {
    const args = argsAt(PLACE, made)
    try {
      return await this.redis.evalsha(sha1, keys.length, ...keys, ...args)
    } catch (error) {
      if (!String(error).includes('NOSCRIPT')) throw error
      return this.redis.eval(text, keys.length, ...keys, ...args)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis.disconnect()
    await this.server[Symbol.asyncDispose]()
  }
}

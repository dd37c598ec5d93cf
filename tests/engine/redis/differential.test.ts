import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import type { Run } from '../../../src/engine/redis/script.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { Differential, type Server } from './differential.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_REDIS_RUNS` says how many otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_REDIS_RUNS ?? 200)
const STEPS = 200

let server: RedisServer
let redis: Redis
let subscriber: Redis
const published = new Map<string, string[]>()

beforeAll(async () => {
  server = await RedisServer.start()
  redis = new Redis(server.url)
  subscriber = new Redis(server.url)
  await subscriber.psubscribe('d*')
  subscriber.on('pmessage', (_, channel: string, text: string) => {
    const texts = published.get(channel)
    if (texts) texts.push(text)
    else published.set(channel, [text])
  })
})

afterAll(async () => {
  redis.disconnect()
  subscriber.disconnect()
  await server[Symbol.asyncDispose]()
})

const run: Run = async ({ sha1, text }, keys, args) => {
  try {
    return await redis.evalsha(sha1, keys.length, ...keys, ...args)
  } catch (error) {
    if (!String(error).includes('NOSCRIPT')) throw error
    return redis.eval(text, keys.length, ...keys, ...args)
  }
}

function serverOf(by: Run): Server {
  return {
    run: by,
    async announcements(channel) {
      // What was published before is here once the answer to this is.
      await subscriber.ping()
      const texts = published.get(channel) ?? []
      published.delete(channel)
      return texts
    },
    async take(key) {
      const [[, texts]] = (await redis.multi().lrange(key, 0, -1).del(key).exec()) as [[null, string[]]]
      return texts
    },
  }
}

async function firstDifference(by: Run, first: number, last: number): Promise<string | undefined> {
  for (let seed = first; seed <= last; seed++) {
    try {
      await new Differential(seed, serverOf(by)).run(STEPS)
    } catch (error) {
      return `MCP_BROKER_SIM_SEED=${seed}: ${error instanceof Error ? error.stack : error}`
    }
  }
  return undefined
}

test('the scripts do what the memory engine does', async () => {
  const [first, last] = SEED ? [Number(SEED), Number(SEED)] : [1, RUNS]
  expect(await firstDifference(run, first, last)).toBeUndefined()
}, 600_000)

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { type Run, type Script, script } from '../../../src/engine/redis/script.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { Differential, type Server } from './differential.ts'
import { argsAt, PLACE } from './place.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_REDIS_RUNS` says how many otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_REDIS_RUNS ?? 200)
const STEPS = 200
const PLANTED_RUNS = 50

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

const run: Run = async ({ sha1, text }, keys, made) => {
  const args = argsAt(PLACE, made)
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
    await redis.flushall()
    published.clear()
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

/** Changes of the scripts, each of which the comparison must find. */
const PLANTS: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>> = {
  'messages that come again out of order': [
    ["call('ZADD', PENDING, c.key_of(ref), ref)", "call('ZADD', PENDING, c.key_of(ref) + 1.5, ref)"],
  ],
  'an older attempt that settles': [
    ['if at == attempts[i] and', 'if true and'],
    ["if text and tonumber(string.match(text, '^%d+')) == attempts[i] then", 'if text then'],
  ],
  'history that is overwritten out of turn': [
    ["call('ZRANGE', HISTORY, 0, count - 1)", "call('ZREVRANGE', HISTORY, 0, count - 1)"],
  ],
}

for (const [fault, changes] of Object.entries(PLANTS))
  test(`the comparison finds ${fault}`, async () => {
    expect(await firstDifference(planted(changes), 1, PLANTED_RUNS)).toContain('MCP_BROKER_SIM_SEED=')
  }, 60_000)

/** Runs scripts with changes to their text. */
function planted(changes: readonly (readonly [string, string])[]): Run {
  const scripts = new Map<string, Script>()
  return (original, keys, args) => {
    let changed = scripts.get(original.sha1)
    if (!changed) {
      const text = changes.reduce((all, [from, to]) => all.replaceAll(from, () => to), original.text)
      changed = script(original.name, text)
      scripts.set(original.sha1, changed)
    }
    return run(changed, keys, args)
  }
}

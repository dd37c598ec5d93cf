import { afterAll, beforeAll } from 'bun:test'
import { RedisClient } from '../../../src/engine/redis/connection/redis-client.ts'
import { parseTarget } from '../../../src/engine/redis/connection/target.ts'
import { RedisEngine } from '../../../src/engine/redis/redis.ts'
import { engineContract } from '../../contracts/engine.ts'
import { RedisServer } from '../../redis/redis-server.ts'

let server: RedisServer
let client: RedisClient
let engines = 0

beforeAll(async () => {
  server = await RedisServer.start()
  client = new RedisClient({ target: parseTarget(server.url), scripts: [] })
  client.start()
})
afterAll(async () => {
  client.stop()
  await server[Symbol.asyncDispose]()
})

engineContract('redis', ({ limits, now }) => {
  let epochs = 0
  return new RedisEngine({
    run: client.run,
    command: (name, ...args) => client.command(name, ...args),
    prefix: `e${++engines}:`,
    publish: () => 'SPUBLISH',
    generation: () => 'g1',
    limits,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${(epochs++).toString(36)}x${engines}`,
    instance: `i${engines}`,
    listen: () => undefined,
    report: (trouble) => {
      throw trouble
    },
  })
})

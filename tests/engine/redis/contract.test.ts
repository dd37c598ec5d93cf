import { afterAll, beforeAll } from 'bun:test'
import { engineContract } from '../../contracts/engine.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { newRedisEngine } from './instance.ts'

let server: RedisServer
let engines = 0

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

engineContract('redis', (options) => newRedisEngine(server.url, `e${++engines}:`, options))

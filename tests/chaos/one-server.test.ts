import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { CutProxy } from '../redis/cut-proxy.ts'
import { freePort, RedisServer } from '../redis/redis-server.ts'
import { ROUNDS } from './rounds.ts'
import { underFire } from './under-fire.ts'

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']
const CUTS = 10
/** Longer than calls wait that were never sent. */
const AWAY_MS = 1500

test(
  `brokers on one server keep what they promise, whatever breaks (${ROUNDS} rounds)`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mcp-broker-chaos-'))
    const port = await freePort()
    let redis = await RedisServer.start({ port, directory, flags: DURABLE })
    await using _ = { [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
    await using proxy = await CutProxy.start(port)
    const limits = { waited_ms_max: 5500, silent_ms_max: 5500 }
    await underFire({ url: proxy.url, ...limits }, async ({ fleet, pass }) => {
      for (let round = 0; round < ROUNDS; round++) {
        const broker = fleet.brokers[round % fleet.brokers.length]!
        await broker.kill()
        await pass()
        await broker.start(true)

        for (let cut = 0; cut < CUTS; cut++) {
          if (cut % 2 === 0) proxy.cutInAnswer()
          else proxy.cut()
          await pass(150)
        }
        await pass()

        const admin = new Redis(port, '127.0.0.1')
        await admin.script('FLUSH')
        admin.disconnect()
        await pass()

        redis.process.kill('SIGSTOP')
        await pass(1200)
        redis.process.kill('SIGCONT')
        await pass()

        redis.process.kill('SIGKILL')
        await redis.process.exited
        await pass(AWAY_MS)
        expect(fleet.turned_away).toBeGreaterThan(0)
        redis = await RedisServer.start({ port, directory, flags: DURABLE })
        await pass()
      }
    })
    rmSync(directory, { recursive: true })
  },
  120_000 + ROUNDS * 30_000,
)

import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Traffic } from '../durability/traffic.ts'
import { CutProxy } from '../redis/cut-proxy.ts'
import { freePort, RedisServer } from '../redis/redis-server.ts'
import { Fleet } from './fleet.ts'

/** `MCP_BROKER_CHAOS_ROUNDS` says how often each fault comes. */
const ROUNDS = Number(process.env.MCP_BROKER_CHAOS_ROUNDS ?? 1)
const VIOLATIONS_SHOWN = 50
/** Between two faults. */
const CALM_MS = 1500
/** No sender waits longer for an answer; a restart of Redis takes part of it. */
const WAITED_MS_MAX = 5500
const SILENT_MS_MAX = 6000

/** Longer than calls wait that were never sent. */
const AWAY_MS = 1500

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

test(
  `brokers that share a Redis keep what they promise, whatever breaks (${ROUNDS} rounds)`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mcp-broker-chaos-'))
    const port = await freePort()
    let redis = await RedisServer.start({ port, directory, flags: DURABLE })
    await using _ = { [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
    await using proxy = await CutProxy.start(port)
    await using fleet = await Fleet.start(3, proxy.url)
    const traffic = new Traffic()
    const over = new AbortController()
    const running = traffic.roam(fleet.pick, over.signal)
    const calm = () => Promise.race([Bun.sleep(CALM_MS), running])
    const admin = async <T>(does: (redis: Redis) => Promise<T>) => {
      const connection = new Redis(port, '127.0.0.1')
      await does(connection)
      connection.disconnect()
    }
    await calm()

    for (let round = 0; round < ROUNDS; round++) {
      const broker = fleet.brokers[round % fleet.brokers.length]!
      await broker.kill()
      await calm()
      await broker.start(true)

      for (let cut = 0; cut < 10; cut++) {
        if (cut % 2 === 0) proxy.cutInAnswer()
        else proxy.cut()
        await Promise.race([Bun.sleep(150), running])
      }
      await calm()

      await admin((connection) => connection.script('FLUSH'))
      await calm()

      redis.process.kill('SIGSTOP')
      await Promise.race([Bun.sleep(1200), running])
      redis.process.kill('SIGCONT')
      await calm()

      redis.process.kill('SIGKILL')
      await redis.process.exited
      await Promise.race([Bun.sleep(AWAY_MS), running])
      redis = await RedisServer.start({ port, directory, flags: DURABLE })
      await calm()
    }
    over.abort()
    await running
    await fleet.ready()
    await traffic.finish(await fleet.pick(), 'redis')

    const { violations, counts, silent_ms } = traffic.ledger
    expect({ directory, violations: violations.slice(0, VIOLATIONS_SHOWN) }).toEqual({
      directory,
      violations: [],
    })
    expect(fleet.faults()).toEqual([])
    const seen = { ...counts, turned_away: fleet.turned_away, waited_ms: fleet.waited_ms, silent_ms }
    console.log(seen)
    // Faults that nobody noticed prove nothing.
    for (const count of [counts.repeated_receipts, counts.redeliveries, fleet.turned_away])
      expect(count).toBeGreaterThan(0)
    for (const [command, ms] of fleet.waited_ms)
      expect({ command, late: ms > WAITED_MS_MAX }).toEqual({ command, late: false })
    for (const [client_id, ms] of silent_ms)
      expect({ client_id, silent: ms > SILENT_MS_MAX }).toEqual({ client_id, silent: false })
    rmSync(directory, { recursive: true })
  },
  180_000 + ROUNDS * 30_000,
)

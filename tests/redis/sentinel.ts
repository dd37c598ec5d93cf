import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from '../harness.ts'
import { freePort, RedisServer, redisProgram } from './redis-server.ts'

/** The name that the sentinels know the master by. */
const MASTER = 'mymaster'

export interface SentinelOptions {
  readonly replicas?: number
  /** After how many milliseconds without an answer a sentinel takes a server for dead. */
  readonly down_after_ms?: number
}

/** A master with replicas, and three sentinels that watch them. */
export class Sentinel implements AsyncDisposable {
  private constructor(
    /** The first was the master at the start. */
    readonly servers: readonly RedisServer[],
    readonly ports: readonly number[],
    readonly processes: readonly Bun.Subprocess[],
    readonly directory: string,
  ) {}

  static async start({ replicas = 2, down_after_ms = 500 }: SentinelOptions = {}): Promise<Sentinel> {
    const flags = ['--repl-diskless-sync-delay', '0', '--repl-diskless-load', 'on-empty-db']
    const master = await RedisServer.start({ flags })
    const servers = await Promise.all(
      Array.from({ length: replicas }, () =>
        RedisServer.start({ flags: [...flags, '--replicaof', '127.0.0.1', String(master.port)] }),
      ),
    )
    const directory = mkdtempSync(join(tmpdir(), 'sentinel-'))
    const ports: number[] = []
    const processes: Bun.Subprocess[] = []
    for (let at = 0; at < 3; at++) {
      const port = await freePort()
      const file = join(directory, `${port}.conf`)
      writeFileSync(
        file,
        [
          ...[`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`],
          `sentinel monitor ${MASTER} 127.0.0.1 ${master.port} 2`,
          `sentinel down-after-milliseconds ${MASTER} ${down_after_ms}`,
          `sentinel failover-timeout ${MASTER} 5000`,
        ].join('\n'),
      )
      const command = [redisProgram(), file, '--sentinel']
      processes.push(Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' }))
      ports.push(port)
    }
    const sentinel = new Sentinel([master, ...servers], ports, processes, directory)
    for (const port of ports)
      await sentinel.#asking(port, (redis) =>
        until(
          'sentinels that know each other and the replicas',
          async () => {
            const info = await redis.info('sentinel')
            return info.includes(`slaves=${replicas},sentinels=3`) ? true : undefined
          },
          20_000,
        ),
      )
    return sentinel
  }

  get url(): string {
    return `redis+sentinel://${this.ports.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER}`
  }

  /** The master as a majority of the sentinels knows it. */
  async master(): Promise<RedisServer> {
    const answers = await Promise.all(
      this.ports.map((port) =>
        this.#asking(port, (redis) => redis.call('SENTINEL', 'get-master-addr-by-name', MASTER)),
      ),
    )
    const ports = answers.map((answer) => Number((answer as string[])[1]))
    const found = this.servers.find(({ port }) => ports.filter((named) => named === port).length > 1)
    if (!found) throw new Error('the sentinels know different masters')
    return found
  }

  async #asking<T>(port: number, ask: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(port, '127.0.0.1')
    redis.on('error', () => {})
    try {
      return await ask(redis)
    } finally {
      redis.disconnect()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) process.kill('SIGKILL')
    await Promise.all(this.processes.map(({ exited }) => exited))
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

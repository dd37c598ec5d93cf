import { Redis } from 'ioredis'
import { redisCommand } from '../tests/redis/redis-server.ts'
import { temporaryFolder } from './folder.ts'
import { Server } from './server.ts'

/** A Redis server under load, and a connection that asks what it has done. */
export class MeasuredRedis implements AsyncDisposable {
  private constructor(
    private readonly server: Server,
    private readonly connection: Redis,
  ) {}

  /** Starts one that keeps nothing on disk. @throws Error where there is none, and none can be installed */
  static async start(): Promise<MeasuredRedis> {
    const folder = temporaryFolder()
    const server = await Server.start((port) => redisCommand(port, folder), {}, folder)
    const connection = new Redis(server.port, '127.0.0.1', { retryStrategy: () => null })
    // Calls are rejected then.
    connection.on('error', () => undefined)
    return new MeasuredRedis(server, connection)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.server.port}`
  }

  /** User and system CPU time so far, in microseconds. @throws Error when it has ended */
  async cpuMicroseconds(): Promise<number> {
    return cpuOf(await this.connection.info('cpu'))
  }

  /**
   * The commands that it is sent while something is done, by name and without those of scripts.
   *
   * @throws Error when it has ended
   */
  async commandsDuring(work: () => Promise<void>): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    const monitor = await this.connection.monitor()
    try {
      monitor.on('monitor', (_time: string, [name = '']: readonly string[], source: string) => {
        if (source !== 'lua') counts.set(name.toUpperCase(), (counts.get(name.toUpperCase()) ?? 0) + 1)
      })
      await work()
    } finally {
      monitor.disconnect()
    }
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.disconnect()
    await this.server[Symbol.asyncDispose]()
  }
}

/** @param info what `INFO cpu` answers, in seconds @returns microseconds */
export function cpuOf(info: string): number {
  const seconds = (field: string) => Number(new RegExp(`^${field}:([0-9.]+)`, 'm').exec(info)?.[1])
  return (seconds('used_cpu_sys') + seconds('used_cpu_user')) * 1e6
}

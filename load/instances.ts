import { startBroker } from './peers/broker.ts'
import { MeasuredRedis } from './redis.ts'
import type { Server } from './server.ts'
import type { Carrier } from './window.ts'

/** Brokers that are one, and the Redis server of their own that they keep everything in. */
export class Instances implements Carrier {
  private constructor(
    readonly redis: MeasuredRedis,
    readonly brokers: readonly Server[],
    private readonly parts: AsyncDisposableStack,
  ) {}

  /** Starts so many brokers on a new server. */
  static async start(count: number): Promise<Instances> {
    await using parts = new AsyncDisposableStack()
    const redis = parts.use(await MeasuredRedis.start())
    const brokers: Server[] = []
    // One after the other: what has started is stopped if the next does not start.
    for (let i = 0; i < count; i++) brokers.push(parts.use(await startBroker({ redis_url: redis.url })))
    return new Instances(redis, brokers, parts.move())
  }

  get urls(): readonly string[] {
    return this.brokers.map(({ url }) => url)
  }

  /** Of all brokers together. */
  cpuMicroseconds(): number {
    return this.brokers.reduce((sum, broker) => sum + broker.cpuMicroseconds(), 0)
  }

  /** Of all brokers together. */
  memoryBytes(): number {
    return this.brokers.reduce((sum, broker) => sum + broker.memoryBytes(), 0)
  }

  redisCpuMicroseconds(): Promise<number> {
    return this.redis.cpuMicroseconds()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.parts.disposeAsync()
  }
}

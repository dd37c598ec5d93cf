import type { Measured } from './scenario.ts'

/** What arrives, as far as it is counted. */
export interface Arrivals {
  /** So far. */
  readonly arrived: number
  /** When the last of them arrived, on the clock of `performance.now`. */
  readonly last_ms: number
}

/** What carries messages and is measured: a server, or several that are one. */
export interface Carrier extends AsyncDisposable {
  /** User and system CPU time so far, in microseconds. */
  cpuMicroseconds(): number
  /** Resident memory now, in bytes. */
  memoryBytes(): number
  /** CPU time so far, in microseconds, of the Redis server that it keeps messages in, where there is one. */
  redisCpuMicroseconds?(): Promise<number>
}

/** The time in which a server is measured, from the end of the warm-up to the last arrival. */
export class Window {
  #began_ms = Number.NaN
  #cpu_us = Number.NaN
  #arrived = Number.NaN
  #redis_us: Promise<number> | undefined

  constructor(
    private readonly carrier: Carrier,
    private readonly arrivals: Arrivals,
  ) {}

  begin(): void {
    this.#began_ms = performance.now()
    this.#cpu_us = this.carrier.cpuMicroseconds()
    this.#arrived = this.arrivals.arrived
    this.#redis_us = this.carrier.redisCpuMicroseconds?.()
    // Told by `redisCpu`.
    this.#redis_us?.catch(() => undefined)
  }

  /** As {@link Window.end}: what Redis did. @throws Error when it does not answer */
  async redisCpu(): Promise<Pick<Measured, 'redis_cpu_us'>> {
    const before_us = await this.#redis_us
    if (before_us === undefined) return {}
    const spent_us = (await this.carrier.redisCpuMicroseconds!()) - before_us
    return { redis_cpu_us: spent_us / (this.arrivals.arrived - this.#arrived) }
  }

  /** What the server did since. Call it when all has arrived; nothing is measured where nothing did. */
  end(): Required<Pick<Measured, 'rate' | 'cpu_us' | 'memory_bytes'>> {
    const arrived = this.arrivals.arrived - this.#arrived
    return {
      rate: arrived / ((this.arrivals.last_ms - this.#began_ms) / 1000),
      cpu_us: (this.carrier.cpuMicroseconds() - this.#cpu_us) / arrived,
      memory_bytes: this.carrier.memoryBytes(),
    }
  }
}

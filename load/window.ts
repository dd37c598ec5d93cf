import type { Measured } from './scenario.ts'
import type { Server } from './server.ts'

/** What arrives, as far as it is counted. */
export interface Arrivals {
  /** So far. */
  readonly arrived: number
  /** When the last of them arrived, on the clock of `performance.now`. */
  readonly last_ms: number
}

/** The time in which a server is measured, from the end of the warm-up to the last arrival. */
export class Window {
  #began_ms = Number.NaN
  #cpu_us = Number.NaN
  #arrived = Number.NaN

  constructor(
    private readonly server: Server,
    private readonly arrivals: Arrivals,
  ) {}

  begin(): void {
    this.#began_ms = performance.now()
    this.#cpu_us = this.server.cpuMicroseconds()
    this.#arrived = this.arrivals.arrived
  }

  /** What the server did since. Call it when all has arrived; nothing is measured where nothing did. */
  end(): Required<Pick<Measured, 'rate' | 'cpu_us' | 'memory_bytes'>> {
    const arrived = this.arrivals.arrived - this.#arrived
    return {
      rate: arrived / ((this.arrivals.last_ms - this.#began_ms) / 1000),
      cpu_us: (this.server.cpuMicroseconds() - this.#cpu_us) / arrived,
      memory_bytes: this.server.memoryBytes(),
    }
  }
}

import type { Broker } from '../../../src/broker/broker.ts'
import { StorageFailed } from '../../../src/core/errors.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { newBroker } from '../new-broker.ts'
import type { FarWire } from './far-wire.ts'
import type { World } from './world.ts'

/** An instance of the broker has died: whoever waited for it is cut off. */
export class Crashed extends Error {}

/** One broker of several. It may crash, and come back without anything it knew. */
export abstract class Instance {
  broker!: Broker
  up = false
  /** It does not come back. */
  gone = false
  /** Which process this is of those that ran here one after the other. */
  life = 0
  /** The brokers of all its lives. */
  readonly brokers: Broker[] = []
  /** How often its housekeeping ticks. */
  protected readonly tend_ms: number = 500
  readonly wires = new Set<FarWire>()
  #crash = Promise.withResolvers<never>()

  constructor(protected readonly world: World) {}

  /** The engine of a process that begins, as that process sees it. */
  protected abstract newEngine(): Engine

  boot(): void {
    const { schedule, limits, newId, failed } = this.world
    const life = ++this.life
    this.up = true
    this.#crash = Promise.withResolvers()
    this.#crash.promise.catch(() => undefined)
    const report = (fault: unknown) => {
      if (!(fault instanceof StorageFailed)) failed(fault)
    }
    const { clock: now, timer } = schedule
    this.broker = newBroker({ engine: this.newEngine(), limits, now, report, timer, newId })
    this.brokers.push(this.broker)
    const tick = () => {
      if (!this.lives(life)) return
      void Promise.try(() => this.broker.tend()).catch(report)
      schedule.later(this.tend_ms, 'tend', tick)
    }
    schedule.later(this.world.random.between(0, this.tend_ms), 'tend', tick)
  }

  /** Whether a process that ran here is still running. */
  lives(life: number): boolean {
    return this.up && this.life === life
  }

  crash(): void {
    this.up = false
    this.world.rare.took('crash')
    for (const wire of this.wires) wire.cut()
    this.wires.clear()
    this.#crash.reject(new Crashed())
  }

  /** Waits for what the broker answers. @throws Crashed if it dies before */
  answered<T>(work: () => T | Promise<T>): Promise<T> {
    return Promise.race([Promise.try(work), this.#crash.promise])
  }
}

import type { EngineOptions } from '../src/app.ts'
import type { Engine, EngineEvents } from '../src/engine/engine.ts'
import { MemoryEngine } from '../src/engine/memory/memory.ts'

/** A memory engine that takes until it is told to start, as one does that loads what it has stored. */
export class HeldEngine {
  readonly #gate = Promise.withResolvers<void>()
  readonly #asked = Promise.withResolvers<void>()
  #open = false
  /** What was called on it before it had started. */
  readonly early: string[] = []
  stops = 0
  options: EngineOptions | undefined

  /** Makes it, for `openApp`. */
  readonly make = (options: EngineOptions): Engine => {
    this.options = options
    const engine = new MemoryEngine(options)
    return new Proxy<Engine>(engine, {
      get: (target, name) => {
        if (name === 'start') return (events: EngineEvents) => this.#start(target, events)
        if (name === 'stop') return () => this.#stop(target)
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (!this.#open) this.early.push(String(name))
        return member.bind(target)
      },
    })
  }

  /** Resolves when it has been asked to start. */
  get asked(): Promise<void> {
    return this.#asked.promise
  }

  /** Says how much is loaded. */
  loaded(loaded_bytes: number, total_bytes: number): void {
    this.options?.progress?.(loaded_bytes, total_bytes)
  }

  /** Lets the start end. */
  open(): void {
    this.#gate.resolve()
  }

  /** Lets the start fail. */
  fail(error: Error): void {
    this.#gate.reject(error)
  }

  async #start(engine: Engine, events: EngineEvents): Promise<void> {
    this.#asked.resolve()
    await this.#gate.promise
    await engine.start(events)
    this.#open = true
  }

  #stop(engine: Engine): void {
    this.stops++
    void engine.stop()
  }
}

import type { Engine, EngineEvents } from '../src/engine/engine.ts'
import { MemoryEngine } from '../src/engine/memory/memory.ts'
import { testConfig } from './harness.ts'

/** One memory engine under several brokers, each of which is told what any of them does. */
export class SharedEngine {
  readonly #engine: MemoryEngine
  readonly #events: EngineEvents[] = []
  /** Whose broker has called. */
  #cause: EngineEvents | undefined

  constructor() {
    const limits = testConfig()
    this.#engine = new MemoryEngine({
      limits: () => limits,
      now: Date.now,
      newId: () => crypto.randomUUID(),
      newEpoch: () => crypto.randomUUID(),
    })
    this.#engine.start({
      wants_each: true,
      announced: (announcement) => this.#tell((to, elsewhere) => to.announced(announcement, elsewhere)),
      acknowledged: (address, messages) =>
        this.#tell((to, elsewhere) => to.acknowledged(address, messages, elsewhere)),
      died: (letter, bounced) => this.#tell((to, elsewhere) => to.died(letter, bounced, elsewhere)),
      session: (...told) => this.#tell((to) => to.session(...told)),
      record: (...told) => this.#tell((to) => to.record(...told)),
      missed: () => this.#tell((to) => to.missed()),
    })
  }

  #tell(tell: (to: EngineEvents, elsewhere: boolean) => void): void {
    for (const events of this.#events) tell(events, events !== this.#cause)
  }

  /** The engine of one broker. */
  join(): Engine {
    let own: EngineEvents | undefined
    return new Proxy<Engine>(this.#engine, {
      get: (target, name) => {
        if (name === 'start')
          return (events: EngineEvents) => {
            own = events
            this.#events.push(events)
          }
        if (name === 'stop') return () => void this.#events.splice(this.#events.indexOf(own!), 1)
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          this.#cause = own
          return member.apply(target, args)
        }
      },
    })
  }
}

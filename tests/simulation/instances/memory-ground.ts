import { MemoryEngine } from '../../../src/engine/memory/memory.ts'
import { Bus } from './bus.ts'
import { Cluster } from './cluster.ts'
import { FarInstance } from './far-instance.ts'
import type { Bug } from './faults.ts'
import { type Outcome, outcomeOf } from './searching.ts'
import type { Ground, Seen, World } from './world.ts'

export const INSTANCES = 3

/** One memory engine under all brokers, and a bus between them. */
export class MemoryGround implements Ground {
  readonly patience = {
    faulty: { lies_ms: 9000, replaced_ms: 6000 },
    healed: { lies_ms: 3000, replaced_ms: 2000 },
  }
  readonly crash_takes = false
  readonly instances: readonly FarInstance[]
  readonly #engine: MemoryEngine

  constructor(
    private readonly world: World,
    bug: Bug | undefined,
  ) {
    const { limits, newId, newEpoch, schedule } = world
    this.#engine = new MemoryEngine({ limits: () => limits, now: schedule.clock, newId, newEpoch })
    this.#readLabels()
    const instances: FarInstance[] = []
    const bus = new Bus({ ...world, bug, instances })
    this.#engine.start(bus)
    const far = { ...world, bug, bus, engine: this.#engine }
    for (let i = 0; i < INSTANCES; i++) instances.push(new FarInstance(far))
    this.instances = instances
  }

  /** Learns which message says what, and which question a message answers. */
  #readLabels(): void {
    const engine = this.#engine
    const append = engine.append.bind(engine)
    engine.append = (project, message, recipient_id, key) => {
      const { message_id, in_reply_to, json } = message
      const appended = append(project, message, recipient_id, key)
      if (appended.outcome === 'stored') this.world.questions.stored(message_id, json, in_reply_to)
      return appended
    }
  }

  get answer_ms_max(): number {
    return this.world.faults.call_ms
  }

  seen(client_id: string): Seen | undefined {
    const client = this.#engine.client('default', { client_id })
    return client && { ...client, session_id: client.session?.session_id }
  }

  unsettled(): number {
    const { pending, leased } = this.#engine.stats()
    return pending + leased
  }
}

/** Runs a seed over one memory engine. */
export function runSeed(seed: number, bug?: Bug): Promise<Outcome> {
  const cluster = new Cluster(seed, (world) => new MemoryGround(world, bug), bug !== 'sent_again')
  return outcomeOf(seed, cluster)
}

import type { Limits } from '../../../src/core/limits.ts'
import { Cluster } from '../instances/cluster.ts'
import { INSTANCES } from '../instances/memory-ground.ts'
import { type Outcome, outcomeOf } from '../instances/searching.ts'
import type { Ground, Seen, World } from '../instances/world.ts'
import { Channels } from './channels.ts'
import { CALL_MS } from './far-connection.ts'
import { type Bug, RedisFaults } from './faults.ts'
import { Mirror } from './mirror.ts'
import { withoutLines } from './plant.ts'
import { RedisInstance } from './redis-instance.ts'
import type { Server } from './server.ts'
import type { RedisWorld } from './world.ts'

/** How often something may happen to the connections as a whole. */
const DISTURBED_MS = 4000

/** The real engine in all instances, a real server, and a simulated network between them. */
export class RedisGround implements Ground {
  readonly patience = {
    faulty: { lies_ms: 25_000, replaced_ms: 20_000 },
    healed: { lies_ms: 4000, replaced_ms: 3000 },
  }
  /** A read is answered when what it acknowledged is. */
  readonly crash_takes = true
  readonly instances: readonly RedisInstance[]
  readonly #world: RedisWorld
  readonly #mirror: Mirror
  #generation = 1

  constructor(world: World, server: Server, bug: Bug | undefined) {
    const channels = new Channels(world)
    const redis_faults = new RedisFaults(world.random)
    const generation = () => `g${this.#generation}`
    const limits: Limits = {
      ...world.limits,
      attempts_max: world.random.pick([1000, 1000, 2]),
      mailbox_messages_max: world.random.pick([1024, 1024, 5]),
      mailbox_overflow: world.random.pick(['reject', 'drop_oldest']),
    }
    const roomy = { ...world, limits }
    this.#mirror = new Mirror(roomy, server, (...published) => channels.publish(...published))
    this.#world = { ...roomy, redis_faults, mirror: this.#mirror, channels, bug, generation }
    this.instances = Array.from({ length: INSTANCES }, (_, i) => new RedisInstance(this.#world, `i${i}`))
    this.#disturbLater()
  }

  get answer_ms_max(): number {
    const { faults, redis_faults } = this.#world
    return faults.fail === 0 && !redis_faults.outages ? 20 * faults.call_ms : 3 * CALL_MS
  }

  seen(client_id: string): Seen | undefined {
    return this.#mirror.seen(client_id)
  }

  unsettled(): number {
    return this.#mirror.unsettled()
  }

  healed(): void {
    this.#world.redis_faults.heal()
    for (const { connection } of this.instances) connection.back()
  }

  async checkAtRest(): Promise<void> {
    this.#mirror.checkBuried()
    await this.#mirror.checkIndex()
  }

  #disturbLater(): void {
    const { schedule, random } = this.#world
    schedule.later(random.between(0, 2 * DISTURBED_MS), 'disturb', () => {
      this.#disturb()
      this.#disturbLater()
    })
  }

  #disturb(): void {
    const { random, rare, redis_faults } = this.#world
    const { connection } = random.pick(this.instances)
    const dice = random.between(1, 10)
    if (dice <= 4 && redis_faults.outages) {
      rare.took('outage')
      connection.breaks(random.pick([100, 1500, 7000]))
    } else if (dice <= 8 && redis_faults.deafness) {
      rare.took('deafness')
      connection.deafens(random.pick([100, 1500, 5000]))
    } else if (dice <= 10 && redis_faults.failovers) {
      rare.took('failover')
      this.#generation++
      for (const { connection } of this.instances) {
        connection.breaks(random.between(100, 2000))
        connection.deafens(random.between(100, 2000))
      }
    }
  }
}

/** Runs a seed over a server, whose data are forgotten first. */
export async function runSeed(server: Server, seed: number, bug?: Bug): Promise<Outcome> {
  using _ = bug === 'two_at_once' ? withoutLines() : undefined
  await server.empty()
  const ground = (world: World) => new RedisGround(world, server, bug)
  return await outcomeOf(seed, new Cluster(seed, ground, bug !== 'sent_again', true))
}

import { StorageFailed } from '../../../src/core/errors.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { RedisEngine } from '../../../src/engine/redis/redis.ts'
import { Instance } from '../instances/instance.ts'
import { FarConnection } from './far-connection.ts'
import { plantIn } from './plant.ts'
import type { RedisWorld } from './world.ts'

/** An instance with the real engine on Redis, behind a connection on which much goes wrong. */
export class RedisInstance extends Instance {
  connection!: FarConnection
  /** Each tick costs several calls. */
  protected override readonly tend_ms = 1000
  #engine!: Engine

  constructor(
    protected override readonly world: RedisWorld,
    private readonly name: string,
  ) {
    super(world)
  }

  protected newEngine(): Engine {
    const { schedule, random, limits, newId, newEpoch, failed, redis_faults, bug } = this.world
    const { life } = this
    this.connection = new FarConnection(this.world)
    const ahead_ms = random.between(-redis_faults.clock_ms, redis_faults.clock_ms)
    const engine = new RedisEngine({
      connection: this.connection,
      limits: () => limits,
      now: () => schedule.now + ahead_ms,
      newId,
      newEpoch,
      instance: `${this.name}x${life}`,
      report: (trouble) => {
        if (!(trouble instanceof StorageFailed && trouble.told)) failed(trouble)
      },
    })
    this.#engine = plantIn(engine, bug, schedule.clock)
    return this.#engine
  }

  override boot(): void {
    super.boot()
    Promise.try(() => this.#engine.start(this.broker)).catch((error) => {
      if (!(error instanceof StorageFailed)) this.world.failed(error)
    })
  }

  override crash(): void {
    super.crash()
    this.connection.die()
  }
}

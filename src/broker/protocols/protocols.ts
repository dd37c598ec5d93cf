import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import type { ProtocolRules } from '../../core/protocol/rules.ts'
import type { SchemaBounds } from '../../core/protocol/schema/bounds.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Turns } from '../turns.ts'
import { SenderOrder } from '../validation/order.ts'
import { ValidationWorker } from '../validation/validation-worker.ts'
import { Registry } from './registry.ts'
import { TypedSends, type TypedSendsOptions } from './sending/typed-sends.ts'
import { Validation } from './sending/validation.ts'
import { ProtocolTally } from './tally.ts'

export interface ProtocolsOptions {
  readonly engine: Engine
  /** The rules that messages and registrations are held to. */
  readonly protocols: ProtocolRules
  readonly schema_bounds: SchemaBounds
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Takes faults of the validation worker. */
  readonly report: (error: unknown) => void
  /** Makes a message without storing it. */
  readonly create: TypedSendsOptions['create']
  /** What long checks share a turn with. */
  readonly turns: Turns
}

const REGISTRATIONS_WAITING_MAX = 32

/** All that the broker has for protocols. */
export class Protocols {
  readonly tally = new ProtocolTally()
  readonly rules: ProtocolRules
  readonly bounds: SchemaBounds
  readonly now: () => number
  readonly registry: Registry
  readonly validation: Validation
  readonly sends: TypedSends
  /** Keeps the sends of each sender in order while one of them is being prepared. */
  readonly order = new SenderOrder()
  /** Those of one protocol come one after the other, so that each is compared with the one before. */
  readonly registrations = new SenderOrder(REGISTRATIONS_WAITING_MAX, 'registrations of this protocol')

  constructor(options: ProtocolsOptions) {
    const { engine, protocols: rules, now, report, create, turns } = options
    const { tally } = this
    this.rules = rules
    this.bounds = options.schema_bounds
    this.now = now
    this.registry = new Registry(engine.records, rules.protocols_builtin, now)
    this.validation = new Validation(new ValidationWorker({ now, report }), tally, turns)
    const { registry, validation } = this
    this.sends = new TypedSends({ engine, registry, validation, rules, create, tally, turns })
  }

  /**
   * Goes on with what was prepared for a send when all earlier sends of its sender have gone on. They are
   * prepared at the same time, and `issue` is not waited for: it only begins in order.
   */
  inOrder<P, R>(
    project: string,
    sender_id: string,
    prepared: MaybePromise<P>,
    issue: (prepared: P) => MaybePromise<R>,
  ): MaybePromise<R> {
    if (!(prepared instanceof Promise) && !this.order.busy) return issue(prepared)
    // Before its turn comes, nobody listens.
    if (prepared instanceof Promise) prepared.catch(() => undefined)
    const issued = this.order.run(project, sender_id, () =>
      then(prepared, (prepared) => ({ answer: issue(prepared) })),
    )
    return then(issued, ({ answer }) => answer)
  }

  /** Refuses what is still being checked, and ends the worker. */
  stop(): void {
    this.validation.worker.stop()
  }
}

import type { Broker } from '../../../src/broker/broker.ts'
import type { Acked, DeadLetter } from '../../../src/core/mailbox/entry.ts'
import type { Session, SessionEnd, SessionStatus } from '../../../src/core/session.ts'
import type { EngineEvents } from '../../../src/engine/engine.ts'
import type { Address, Announcement } from '../../../src/engine/values.ts'
import type { FarInstance } from './far-instance.ts'
import type { Bug } from './faults.ts'
import type { World } from './world.ts'

type Told = (broker: Broker, elsewhere: boolean) => void

/** What the bus needs. */
export interface BusWorld extends World {
  readonly bug: Bug | undefined
  readonly instances: readonly FarInstance[]
}

/**
 * Carries what the engine tells to the instances. The one whose call caused it hears of it with the answer.
 * To the others each event goes by itself: it may be lost, or come twice, late, or before an earlier one.
 */
export class Bus implements EngineEvents {
  readonly wants_each = true
  #cause: FarInstance | undefined
  #own: Told[] = []

  constructor(private readonly world: BusWorld) {}

  /** Does what an instance asks of the engine. @returns the answer, and what the instance is told with it */
  caused<T>(by: FarInstance, effect: () => T): { readonly answer: T; readonly own: readonly Told[] } {
    this.#cause = by
    this.#own = []
    const answer = effect()
    this.#cause = undefined
    return { answer, own: this.#own }
  }

  announced(announcement: Announcement): void {
    const { truth, bug } = this.world
    truth.announced(announcement)
    const { project, client_id } = announcement
    this.#tell('announced', { project, client_id }, (instance, broker, elsewhere) => {
      const told = this.#distorted(instance, announcement)
      broker.announced(told, bug === 'counted_by_all' ? false : elsewhere)
    })
  }

  /** What an instance is told that has one of the bugs. */
  #distorted(instance: FarInstance, announcement: Announcement): Announcement {
    const { bug } = this.world
    const { epoch, changes, redelivery, offset } = announcement
    if (bug === 'look_at_last') return { ...announcement, changes: redelivery ? 0 : offset }
    if (bug === 'told_when_handled') {
      const latest = instance.latest(announcement)
      return { ...announcement, changes: latest.changes }
    }
    if (bug === 'gap_jumped') {
      const followed = instance.broker.following.of(announcement)
      if (followed?.told && followed.told.changes < changes) followed.told = { epoch, changes: changes - 1 }
    }
    return announcement
  }

  acknowledged(address: Address, messages: readonly Acked[]): void {
    const { truth, bug } = this.world
    for (const { message_id } of messages) truth.acknowledged(address.client_id, message_id)
    for (const acked of messages) {
      const sender = { project: address.project, client_id: acked.sender_id }
      this.#tell('acknowledged', sender, (_, broker, elsewhere) =>
        broker.acknowledged(address, [acked], bug === 'counted_by_all' ? false : elsewhere),
      )
    }
  }

  died(letter: DeadLetter, bounced: boolean): void {
    this.world.truth.died(letter.recipient_id, letter.message.message_id)
    const sender = { project: letter.project, client_id: letter.message.sender_id }
    this.#tell('died', sender, (_, broker, elsewhere) => broker.died(letter, bounced, elsewhere))
  }

  session(session: Session, status: SessionStatus | SessionEnd): void {
    this.#tell('session', undefined, (_, broker) => broker.session(session, status))
  }

  record(): void {}

  missed(): void {}

  /** @param address whoever follows it is told; undefined: everybody is */
  #tell(
    name: string,
    address: Address | undefined,
    tell: (instance: FarInstance, broker: Broker, elsewhere: boolean) => void,
  ): void {
    const { instances, faults, random, rare, schedule, bug } = this.world
    const cause = this.#cause
    for (const instance of instances) {
      if (instance === cause) {
        this.#own.push((broker, elsewhere) => tell(instance, broker, elsewhere))
        continue
      }
      if (address && !instance.follows(address)) continue
      if (bug === 'takeover_untold' && name === 'session') continue
      if (random.chance(faults.drop)) {
        rare.took(`${name} lost`)
        continue
      }
      const times = random.chance(faults.double) ? 2 : 1
      if (times === 2) rare.took('event doubled')
      for (let i = 0; i < times; i++) {
        const { life } = instance
        schedule.later(random.between(0, faults.delay_ms), name, () => {
          if (instance.lives(life)) tell(instance, instance.broker, true)
        })
      }
    }
  }
}

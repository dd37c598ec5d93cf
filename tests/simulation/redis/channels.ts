import type { World } from '../instances/world.ts'
import type { FarConnection } from './far-connection.ts'

/**
 * Carries what is published to the connections that listen. It may be lost, or come twice, late, or before what
 * was published earlier on another channel; on one channel it comes in order.
 */
export class Channels {
  readonly #connections = new Set<FarConnection>()
  /** When the last text of a channel reaches a connection. */
  readonly #last_ms = new WeakMap<FarConnection, Map<string, number>>()

  constructor(private readonly world: World) {}

  join(connection: FarConnection): void {
    this.#connections.add(connection)
    this.#last_ms.set(connection, new Map())
  }

  leave(connection: FarConnection): void {
    this.#connections.delete(connection)
  }

  publish(channel: string, text: string): void {
    for (const connection of this.#connections)
      if (connection.hears(channel)) this.#carry(connection, channel, text)
  }

  #carry(connection: FarConnection, channel: string, text: string): void {
    const { random, faults, rare, schedule } = this.world
    const kind = kindOf(text)
    if (random.chance(faults.drop)) {
      rare.took(`${kind} lost`)
      return
    }
    const arrives = connection.hearing(channel, text)
    const last_ms = this.#last_ms.get(connection)!
    const at_ms = Math.max(last_ms.get(channel) ?? 0, schedule.now + random.between(0, faults.delay_ms))
    last_ms.set(channel, at_ms)
    schedule.later(at_ms - schedule.now, kind, arrives)
    if (!random.chance(faults.double)) return
    rare.took('event doubled')
    schedule.later(at_ms - schedule.now + random.between(0, faults.delay_ms), kind, arrives)
  }
}

/** What a text of the fan-out tells: its second word, or `announced` where that is an epoch. */
function kindOf(text: string): string {
  const kind = text.slice(text.indexOf(' ') + 1, text.indexOf('\n'))
  return kind.startsWith('!') ? kind.slice(1) : 'announced'
}

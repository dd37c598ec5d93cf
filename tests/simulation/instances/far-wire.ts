import type { Connection } from '../../../src/broker/connection.ts'
import type { ErrorCode } from '../../../src/core/errors.ts'
import type { Message } from '../../../src/core/message.ts'
import type { Instance } from './instance.ts'
import type { World } from './world.ts'

/** What a wire tells of. */
export interface WireEnds {
  /** A message is handed over. */
  readonly sent: (cursor: string, message: Message) => void
  /** It has arrived. */
  readonly arrived: (cursor: string, message: Message) => void
}

/** A connection whose frames take their time and arrive in their order, or not at all once it is cut. */
export class FarWire implements Connection {
  closed: ErrorCode | 'cut' | undefined
  readonly probe?: () => void
  /** The session that checked in over it; undefined until that is answered. */
  session_id: string | undefined
  /** Since when another session holds its address, in milliseconds since the epoch. */
  replaced_ms: number | undefined
  /** Its client takes nothing for a while. */
  stalled = false
  #queued: (() => void)[] = []
  #last_ms = 0

  constructor(
    readonly instance: Instance,
    readonly client_id: string,
    private readonly world: World,
    confirms: boolean,
    private readonly ends: WireEnds,
  ) {
    instance.wires.add(this)
    if (confirms)
      this.probe = () => {
        this.#queued.push(() => this.#later('pong', () => instance.broker.hub.confirmed(this)))
        this.flush()
      }
  }

  get open(): boolean {
    return this.closed === undefined
  }

  message(cursor: string, json: string): void {
    const message = JSON.parse(json) as Message
    this.ends.sent(cursor, message)
    this.#queued.push(() => this.ends.arrived(cursor, message))
  }

  notify(): void {}

  flush(): boolean {
    if (this.closed) return false
    for (const arrives of this.#queued.splice(0)) this.#later('frame', arrives)
    return !this.stalled
  }

  /** Its client takes nothing for so long. */
  stall(ms: number): void {
    if (this.stalled || this.closed) return
    this.stalled = true
    this.world.schedule.later(ms, 'drained', () => {
      this.stalled = false
      if (!this.closed && this.instance.up) this.instance.broker.hub.drained(this)
    })
  }

  #later(name: string, arrives: () => void): void {
    const { schedule, random, faults } = this.world
    this.#last_ms = Math.max(this.#last_ms, schedule.now + random.between(0, faults.wire_ms))
    schedule.later(this.#last_ms - schedule.now, name, () => {
      if (!this.closed) arrives()
    })
  }

  close(code: ErrorCode): void {
    this.world.rare.took(`closed: ${code}`)
    this.closed ??= code
    this.instance.wires.delete(this)
  }

  /** The network fails, or one of the ends: what is under way is lost. */
  cut(): void {
    this.closed ??= 'cut'
  }

  /** Its client hangs up, and the instance notices. */
  hangUp(): void {
    this.cut()
    this.instance.wires.delete(this)
    if (this.instance.up) this.instance.broker.hub.leave(this)
  }
}

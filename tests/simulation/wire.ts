import { expect } from 'bun:test'
import type { Connection } from '../../src/broker/connection.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Message } from '../../src/core/message.ts'

/** What travels: a message with its cursor, or a question whose answer shows that all before has arrived. */
export type Frame = { cursor: string; message: Message; order: number } | 'probe'

/** A connection whose other end is as slow, deaf or cut off as the simulation wants it. */
export class Wire implements Connection {
  /** On its way; lost if the wire is cut. */
  readonly under_way: Frame[] = []
  stalled = false
  closed: ErrorCode | 'cut' | undefined
  readonly probe?: () => void
  #queued: Frame[] = []
  /** Probes that are out; the hub asks for one at a time. */
  #probes = 0

  /**
   * @param sent is told of each message as it is queued, and answers its place in the order of all
   * @param alive whether the broker's process is: else nothing is written any more
   */
  constructor(
    confirms: boolean,
    private readonly sent: (message: Message) => number,
    private readonly alive: () => boolean = () => true,
  ) {
    if (confirms)
      this.probe = () => {
        if (!this.alive()) return
        expect(++this.#probes).toBe(1)
        this.under_way.push('probe')
      }
  }

  get open(): boolean {
    return this.closed === undefined
  }

  message(cursor: string, json: string): void {
    if (!this.alive()) return
    expect(this.closed).toBeUndefined()
    const message = JSON.parse(json) as Message
    this.#queued.push({ cursor, message, order: this.sent(message) })
  }

  notify(): void {}

  /** The hub may still flush a notification for a connection that has just gone. */
  flush(): boolean {
    if (this.closed || !this.alive()) return false
    this.under_way.push(...this.#queued)
    this.#queued = []
    return !this.stalled
  }

  /** The answer to a probe is back. */
  answered(): void {
    this.#probes--
  }

  close(code: ErrorCode): void {
    if (!this.alive()) return
    expect(this.closed).toBeUndefined()
    this.closed = code
  }
}

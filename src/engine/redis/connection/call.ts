import type { Args, Place, Script, Word } from '../script.ts'
import { RedisFailed } from './failures.ts'

/** A server that has not been asked. */
export const NO_PLACE: Place = { generation: '', clock_offset_ms: 0, replicas: 0 }

/** A command that is on its way: sent, to be sent, or to be sent again. */
export class Call {
  /** Tries that were sent. */
  tries = 0
  /** A try was sent and not answered, or not by enough replicas. */
  may_have_run = false
  /** Nobody waits for it any more. */
  done = false
  /** The server did not know the script. */
  load = false
  /** The address of a server that is taking over the slot: the next try goes there, with ASKING. */
  ask: string | undefined
  /** The error of the last try. */
  last: Error | undefined
  readonly promise: Promise<unknown>
  #resolve!: (answer: unknown) => void
  #reject!: (error: RedisFailed) => void

  /**
   * @param name of the command, in lower case
   * @param made_ms when it was made, by `performance.now()`
   */
  constructor(
    readonly name: string,
    readonly keys: readonly string[],
    readonly args: Args,
    readonly script: Script | undefined,
    readonly slot: number,
    readonly made_ms: number,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** What follows the name of the command. */
  words(place: Place): Word[] {
    const args = typeof this.args === 'function' ? this.args(place) : this.args
    const { script, keys } = this
    return script ? [script.sha1, keys.length, ...keys, ...args] : [...keys, ...args]
  }

  /** For messages: no arguments, which may be secret. */
  get title(): string {
    const what = this.script ? `the script ${this.script.name}` : this.name.toUpperCase()
    return this.keys.length === 0 ? what : `${what} on ${this.keys[0]}`
  }

  answer(value: unknown): void {
    this.done = true
    this.#resolve(value)
  }

  fail(kind: RedisFailed['kind'], why: string): void {
    this.done = true
    const cause = this.last ? { cause: this.last } : undefined
    this.#reject(new RedisFailed(kind, `${this.title}: ${why}`, this.may_have_run, cause))
  }
}

import type { Limits } from '../../../core/limits.ts'
import type { Address } from '../../values.ts'
import type { Place, Run } from '../script.ts'
import {
  type AppendAnswer,
  type Appending,
  appendCall,
  type CallContext,
  contextArgs,
  type MailboxCall,
  type Noted,
  type Refused,
} from './calls.ts'
import { type MailboxKeys, mailboxChannel, mailboxKeys } from './keys.ts'

/** Messages of one call. More would hold up what other clients of the server ask. */
const APPENDS_MAX = 64

export interface LanesOptions {
  readonly run: Run
  /** Of all keys and channels. */
  readonly prefix: string
  /** By which the server is told to announce. */
  readonly publish: () => 'PUBLISH' | 'SPUBLISH'
  /** Names this process. */
  readonly instance: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly limits: (project: string) => Limits
  /** Told of each answer, before the caller is. */
  readonly noted: (address: Address, noted: Noted) => void
}

/** By whom a call is made, and its number: a second call under the same is answered as the first was. */
export interface As {
  readonly instance: string
  readonly number: number
}

/** What came of one message of {@link Lanes.append}: of the call it went in, and its own outcome. */
export interface Appended extends Omit<AppendAnswer, 'outcomes'> {
  readonly outcome: AppendAnswer['outcomes'][number]
}

interface Step {
  readonly call: () => MailboxCall<unknown>
  readonly as: As | undefined
  readonly resolve: (answer: never) => void
  readonly reject: (error: unknown) => void
}

/** A step that appends: more messages may join it until it is sent. */
interface AppendStep extends Step {
  readonly epoch: string | undefined
  readonly messages: Appending[]
  readonly answer: Promise<AppendAnswer | Refused>
}

/** The calls for one mailbox that wait, the first of which may be under way. */
class Lane {
  readonly #waiting: (Step | AppendStep)[] = []
  #busy = false

  /** @param start asks for the first call to be made; another is asked for once that is answered */
  constructor(
    readonly address: Address,
    readonly keys: MailboxKeys,
    readonly name: string,
    private readonly start: (lane: Lane) => void,
  ) {}

  /** The last step that waits, if it appends. */
  get appending(): AppendStep | undefined {
    const last = this.#waiting.at(-1)
    return last && 'messages' in last ? last : undefined
  }

  push(step: Step): void {
    this.#waiting.push(step)
    if (this.#busy) return
    this.#busy = true
    this.start(this)
  }

  next(): Step {
    return this.#waiting.shift()!
  }

  /** The last call was answered. @returns whether there is another */
  done(): boolean {
    this.#busy = this.#waiting.length > 0
    return this.#busy
  }
}

/**
 * One line of calls for each mailbox. They are carried out in the order in which they are made, one at a
 * time: a call whose answer is lost is made again, and nothing may have come in between. Appends that wait
 * one behind the other go in one call. Lines start at the end of a turn of the event loop.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  #ready: Lane[] = []
  #number = 0

  constructor(private readonly options: LanesOptions) {}

  /** @throws Error when it is not known whether the call was carried out, or that it was not */
  call<T>(address: Address, call: MailboxCall<T>, as?: As): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#laneOf(address).push({ call: () => call, as, resolve, reject })
    })
  }

  /** Stores one message. As {@link appendCall}, together with others for the same mailbox. */
  async append(address: Address, message: Appending, epoch: string | undefined): Promise<Appended | Refused> {
    const lane = this.#laneOf(address)
    let step = lane.appending
    if (!step || step.epoch !== epoch || step.messages.length >= APPENDS_MAX) {
      step = appendStep(epoch)
      lane.push(step)
    }
    const at = step.messages.push(message) - 1
    const answer = await step.answer
    return typeof answer === 'string' ? answer : { ...answer, outcome: answer.outcomes[at]! }
  }

  #laneOf(address: Address): Lane {
    const name = mailboxChannel(this.options.prefix, address)
    let lane = this.#lanes.get(name)
    if (!lane) {
      lane = new Lane(address, mailboxKeys(this.options.prefix, address), name, (ready) => this.#start(ready))
      this.#lanes.set(name, lane)
    }
    return lane
  }

  #start(lane: Lane): void {
    if (this.#ready.push(lane) === 1) setImmediate(this.#send)
  }

  readonly #send = (): void => {
    const ready = this.#ready
    this.#ready = []
    for (const lane of ready) void this.#next(lane)
  }

  async #next(lane: Lane): Promise<void> {
    const step = lane.next()
    const { address, keys, name } = lane
    try {
      const call = step.call()
      const as = step.as ?? { instance: this.options.instance, number: ++this.#number }
      // A call that is made again after a failover has to name the history of the server it goes to then.
      const args = (place: Place) => [...contextArgs(this.#context(lane, as, place)), ...call.args]
      const answer = call.read(await this.options.run(call.script, keys, args))
      if (isNoted(answer)) this.options.noted(address, answer)
      step.resolve(answer as never)
    } catch (error) {
      step.reject(error)
    }
    if (lane.done()) this.#start(lane)
    else this.#lanes.delete(name)
  }

  #context({ address: { project }, name }: Lane, as: As, { generation }: Place): CallContext {
    const { publish, now, limits } = this.options
    return { now: now(), generation, limits: limits(project), publish: `${publish()} ${name}`, ...as }
  }
}

function appendStep(epoch: string | undefined): AppendStep {
  const { promise, resolve, reject } = Promise.withResolvers<AppendAnswer | Refused>()
  const messages: AppendStep['messages'] = []
  const call = () => appendCall(messages, epoch)
  return { call, as: undefined, resolve, reject, epoch, messages, answer: promise }
}

function isNoted(answer: unknown): answer is Noted {
  return typeof answer === 'object' && answer !== null
}

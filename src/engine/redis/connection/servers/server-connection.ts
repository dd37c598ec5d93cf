import { Redis } from 'ioredis'
import type { Place, Script } from '../../script.ts'
import { type Call, NO_PLACE } from '../call.ts'
import { verdictOn } from '../failures.ts'
import { type ConnectionOptions, WAIT_MS } from './options.ts'
import { faultsOf, readInfo, type ServerInfo } from './server-info.ts'

/**
 * | state | means | becomes |
 * |---|---|---|
 * | `connecting` | the first try is under way | `ready`, `unfit`, `down` |
 * | `ready` | it has the scripts, and takes calls | `down`, `unfit` |
 * | `down` | not connected, not asked who it is, silent, or without replicas; it tries again | `ready`, `unfit` |
 * | `unfit` | it answers, and may not be used | `ready`, `down` |
 */
export type ConnectionState = 'connecting' | 'ready' | 'down' | 'unfit'

/** What the owner of a connection gives it, and hears of it. */
export interface ConnectionOwner {
  readonly scripts: readonly Script[]
  readonly wait_replicas: number
  /** A key that this server has, and that means nothing. */
  markOf(connection: ServerConnection): string
  /** @param now_ms by `performance.now()` */
  answered(call: Call, value: unknown, now_ms: number): void
  /** A try has failed. */
  failed(call: Call, error: Error): void
  /** These were not sent: the connection is not ready. */
  unsent(calls: readonly Call[]): void
  /** WAIT was not answered with enough replicas. */
  unmet(): void
}

/** How often a server is asked for its time and its state; more often while it is unfit or lacks replicas. */
const MEASURE_MS = 30_000
const MEASURE_SOON_MS = 250

/** Pipelines without an answer, at most; what is to be sent waits for one. WAIT holds up its connection. */
const PIPELINES_MAX = 16
const WAITING_PIPELINES_MAX = 2

/** What ioredis says of a command that was not answered in time. */
const TIMED_OUT = 'Command timed out'

export class NotEnoughReplicas extends Error {
  override name = 'NotEnoughReplicas'
}

/** One connection for commands, to one server: what is to be sent in one turn goes as one pipeline. */
export class ServerConnection {
  state: ConnectionState = 'connecting'
  /** Why it is down or unfit: one sentence for each reason. */
  faults: readonly string[] = []
  /** Since when it has not been ready, by `performance.now()`. */
  down_ms = performance.now()
  place: Place = NO_PLACE
  info: ServerInfo | undefined
  readonly #redis: Redis
  readonly #owner: ConnectionOwner
  readonly #changed: () => void
  readonly #mode: 'standalone' | 'cluster'
  #queue: Call[] = []
  #turn: NodeJS.Immediate | undefined
  #pipelines = 0
  #timer: NodeJS.Timeout | undefined
  /** How long it was to wait when it was set. */
  #next_ms = 0
  /** Counts the times that the server was asked who it is: only the latest answer holds. */
  #asked = 0
  #stopped = false

  /** @param changed tells of a change of the state, the place or the number of replicas */
  constructor(
    options: ConnectionOptions,
    mode: 'standalone' | 'cluster',
    owner: ConnectionOwner,
    changed: () => void,
  ) {
    this.#owner = owner
    this.#changed = changed
    this.#mode = mode
    this.#redis = new Redis(options)
    this.#redis.on('error', (error: Error) => this.#fault(error))
    this.#redis.on('ready', () => void this.greet())
    this.#redis.on('close', () => this.#closed())
    this.#redis.on('end', () => this.#ended())
    this.#connect()
  }

  get #usable(): boolean {
    return this.state === 'ready' && this.#redis.status === 'ready' && this.#redis.stream.writable
  }

  /** Sends a call at the end of this turn, or gives it back to the owner. */
  send(call: Call): void {
    this.#queue.push(call)
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#flush()
    })
  }

  #flush(): void {
    const waits = this.#owner.wait_replicas
    if (this.#usable && this.#pipelines >= (waits > 0 ? WAITING_PIPELINES_MAX : PIPELINES_MAX)) return
    const calls = this.#queue.filter(({ done }) => !done)
    this.#queue = []
    if (calls.length === 0) return
    if (!this.#usable) {
      this.#owner.unsent(calls)
      return
    }
    const pipeline = this.#redis.pipeline()
    const commands: (Call | undefined)[] = []
    const add = (call: Call | undefined, name: string, ...words: (string | number)[]) => {
      pipeline.call(name, ...words)
      commands.push(call)
    }
    const loaded = new Set<Script>()
    for (const call of calls) {
      const { script } = call
      if (script && call.load && !loaded.has(script)) {
        loaded.add(script)
        add(undefined, 'script', 'load', script.text)
      }
      if (call.ask) add(undefined, 'asking')
      add(call, call.name, ...call.words(this.place))
      call.load = false
      call.ask = undefined
      call.tries++
    }
    if (waits > 0) {
      // WAIT asks about the last write of this connection, and what was written before that by any other one.
      // A call may find its work done and write nothing, so something else is written.
      add(undefined, 'set', this.#owner.markOf(this), '1', 'px', 60_000)
      add(undefined, 'wait', waits, WAIT_MS)
    }
    this.#pipelines++
    pipeline.exec().then(
      (answers) => this.#answered(commands, answers ?? [], waits),
      (error: Error) =>
        this.#answered(
          commands,
          commands.map(() => [error, undefined]),
          waits,
        ),
    )
  }

  #answered(
    commands: readonly (Call | undefined)[],
    answers: readonly [error: Error | null, value: unknown][],
    waits: number,
  ): void {
    this.#pipelines--
    const replicas = waits > 0 ? answers.at(-1) : undefined
    const mark_error = waits > 0 ? answers.at(-2)?.[0] : undefined
    // Without memory for the mark the answer to WAIT still covers what was stored before.
    const unmarked = !!mark_error && verdictOn(mark_error) !== 'full'
    const unmet = replicas !== undefined && (!!replicas[0] || unmarked || Number(replicas[1]) < waits)
    const now_ms = performance.now()
    let counted = false
    let silent = false
    for (const [at, call] of commands.entries()) {
      if (!call || call.done) continue
      const [error, value] = answers[at] ?? [new Error('no answer'), undefined]
      silent ||= error?.message === TIMED_OUT
      if (error) this.#owner.failed(call, error)
      else if (!unmet) this.#owner.answered(call, value, now_ms)
      else {
        counted = true
        this.#owner.failed(call, new NotEnoughReplicas(`it is not stored by ${waits} of the replicas yet`))
      }
    }
    if (counted) {
      this.#owner.unmet()
      if (this.#next_ms > MEASURE_SOON_MS) this.#askAgain(MEASURE_SOON_MS)
    }
    // It is asked who it is: an answer says that it goes on, and none that the connection has to be left.
    if (silent && this.state === 'ready') void this.greet('Redis does not answer.')
    if (this.#queue.length > 0) this.#flush()
  }

  /** Asks the server who it is; it takes no calls until it has answered. @param why what is said meanwhile */
  async greet(why = 'Redis is asked who it is.'): Promise<void> {
    if (this.state === 'ready') this.#turnTo('down', [why])
    const asked = ++this.#asked
    try {
      const { info, place } = await this.#ask()
      const scripts = this.#redis.pipeline()
      for (const { text } of this.#owner.scripts) scripts.call('script', 'load', text)
      const failed = (await scripts.exec())?.find(([error]) => error)?.[0]
      if (failed) throw failed
      if (asked === this.#asked) this.#learn(info, place)
    } catch (error) {
      if (asked !== this.#asked || this.#stopped) return
      this.#fault(error as Error)
      if (verdictOn(error as Error) !== 'refused') return this.#redis.disconnect(true)
      this.#turnTo('unfit', [`Redis does not let this user do what is needed: ${(error as Error).message}`])
      this.#askAgain(MEASURE_SOON_MS)
    }
  }

  /** Asks again, while calls go on. */
  async #measure(): Promise<void> {
    if (this.state === 'unfit') return this.greet()
    const asked = ++this.#asked
    try {
      const { info, place } = await this.#ask()
      if (asked === this.#asked) this.#learn(info, place)
    } catch {
      // The connection is lost, which tells of itself; or the answer was late, and the next may not be.
      if (asked === this.#asked) this.#askAgain(MEASURE_MS)
    }
  }

  async #ask(): Promise<{ info: ServerInfo; place: Place }> {
    const info = readInfo(await this.#redis.info())
    if (info.mode === 'sentinel') return { info, place: this.place }
    const before = Date.now()
    const [seconds, micros] = await this.#redis.time()
    const middle = (before + Date.now()) / 2
    const clock_offset_ms = Math.round(Number(seconds) * 1000 + Number(micros) / 1000 - middle)
    const { history, history_before, replicas } = info
    const node = info.mode === 'cluster' ? String(await this.#redis.call('cluster', 'myid')).slice(0, 8) : ''
    const generation = node === '' ? history : `${node}/${history}/${history_before}`
    return { info, place: { generation, clock_offset_ms, replicas } }
  }

  #learn(info: ServerInfo, place: Place): void {
    this.info = info
    this.place = place
    const faults = faultsOf(info, this.#mode)
    const { wait_replicas } = this.#owner
    if (faults.length > 0) this.#turnTo('unfit', faults)
    else if (info.replicas < wait_replicas)
      this.#turnTo('down', [
        `Redis has ${info.replicas} connected replicas, redis_wait_replicas is ${wait_replicas}.`,
      ])
    else this.#turnTo('ready', [])
    this.#askAgain(this.state === 'ready' ? MEASURE_MS : MEASURE_SOON_MS)
    this.#changed()
  }

  #askAgain(ms: number): void {
    clearTimeout(this.#timer)
    this.#next_ms = ms
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#measure(), ms)
  }

  #turnTo(state: ConnectionState, faults: readonly string[]): void {
    const before = this.state
    if (before === 'ready' && state !== 'ready') this.down_ms = performance.now()
    this.state = state
    this.faults = faults
    if (before !== state && !this.#stopped) this.#changed()
  }

  #fault({ message }: Error): void {
    // While sentinels name no master, nothing else tells that it cannot be reached.
    if (this.state === 'connecting' || this.state === 'down')
      this.#turnTo('down', [`Redis cannot be reached: ${message}`])
  }

  #closed(): void {
    this.#asked++
    clearTimeout(this.#timer)
    this.#turnTo('down', this.state === 'ready' ? ['The connection to Redis is lost.'] : this.faults)
  }

  /** ioredis gives up on some faults; this does not. */
  #ended(): void {
    if (this.#stopped) return
    this.#turnTo('down', this.faults)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), 100)
  }

  #connect(): void {
    // What fails is told by the events `error` and `close`.
    this.#redis.connect().catch(() => {})
  }

  /** The slots of the cluster as this node knows them; the answer of `CLUSTER SLOTS`. */
  slots(): Promise<unknown> {
    return this.#redis.call('cluster', 'slots')
  }

  /** Ends the connection. What was sent on it fails, and nothing is left of it afterwards. */
  stop(): void {
    this.#stopped = true
    this.#asked++
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    this.#redis.disconnect()
    this.#redis.stream?.destroy()
    const calls = this.#queue
    this.#queue = []
    if (calls.length > 0) this.#owner.unsent(calls)
  }
}

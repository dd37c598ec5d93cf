import { type ChainableCommander, Redis } from 'ioredis'
import type { Target } from '../../../core/redis-target.ts'
import type { Run, Script } from '../script.ts'
import { meaningOf, RedisFailed } from './failures.ts'
import { factsOf, type ServerFacts } from './fitness.ts'
import { optionsOf } from './options.ts'

/** How long a call is tried, unless it is answered before. */
const CALL_MS = 5000
/** Before a call is tried again that the server could not answer. */
const AGAIN_MS = 25
const WAIT_MS = 500
const FACTS_MS = 30_000

export interface RedisClientOptions {
  readonly target: Target
  /** PEM of the authority that the server's certificate is checked against, where that is a private one. */
  readonly ca?: string | undefined
  /** Loaded each time that the server is ready; others are sent with their text when it lacks them. */
  readonly scripts: readonly Script[]
  /** Replicas that must have what was written before it counts as stored. */
  readonly wait_replicas?: number
  /** Milliseconds that a call is tried; for tests. */
  readonly call_ms?: number
  /** Told whenever {@link RedisClient.state} changes. */
  readonly changed?: (state: ClientState) => void
}

/** `unfit`: the server answers, and cannot be used as it is. */
export type ClientState = 'connecting' | 'ready' | 'down' | 'unfit' | 'stopped'

interface Call {
  readonly script: Script | undefined
  /** Without the name of the command, where it is a script. */
  readonly parts: readonly (string | number)[]
  readonly until_ms: number
  /** A try of it was sent. */
  sent: boolean
  /** The server does not know the script. */
  with_text: boolean
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: RedisFailed) => void
}

/**
 * One connection to the server that has the data. All calls of a turn go out in one pipeline. A call that is
 * not answered is made again as it is, until its time is up: what may not be done twice has to know itself
 * again.
 */
export class RedisClient {
  state: ClientState = 'connecting'
  facts: ServerFacts | undefined
  /** Milliseconds that the server's clock is ahead of this one. */
  clock_offset_ms = 0
  readonly #redis: Redis
  readonly #call_ms: number
  readonly #wait_replicas: number
  #calls: Call[] = []
  #scheduled = false
  #again: ReturnType<typeof setTimeout> | undefined
  #looked_ms = 0
  /** Why the connection was lost last. */
  #trouble = 'not connected yet'

  constructor(private readonly options: RedisClientOptions) {
    this.#call_ms = options.call_ms ?? CALL_MS
    this.#wait_replicas = options.wait_replicas ?? 0
    this.#redis = new Redis(optionsOf(options.target, options.ca))
    // Each is followed by `close`, and a call that it concerns has it as well.
    this.#redis.on('error', (error: Error) => {
      this.#trouble = error.message
    })
    this.#redis.on('ready', () => void this.#ready())
    this.#redis.on('close', () => this.#became('down'))
    this.#redis.on('end', () => this.#ended())
  }

  /** Begins to connect. */
  start(): void {
    this.#redis.connect().catch(() => undefined)
  }

  /** To be called several times a second: now and then it looks at the server again. */
  tick(): void {
    if (performance.now() - this.#looked_ms > FACTS_MS) void this.#lookAgain()
  }

  /** Closes the connection; calls that wait are rejected. */
  stop(): void {
    this.#became('stopped')
    clearTimeout(this.#again)
    this.#redis.disconnect()
    for (const call of this.#calls.splice(0)) this.#giveUp(call, 'the broker stops')
  }

  /** Why there is no connection. */
  get trouble(): string {
    return this.facts?.unfit ?? this.#trouble
  }

  /** @throws RedisFailed once its time is up, or trying again is of no use */
  readonly run: Run = (script, keys, args) => this.#call(script, [keys.length, ...keys, ...args])

  /** A plain command that may be carried out twice. @throws RedisFailed as {@link run} */
  command(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#call(undefined, [name, ...args])
  }

  #call(script: Script | undefined, parts: readonly (string | number)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const until_ms = performance.now() + this.#call_ms
      const call = { script, parts, until_ms, sent: false, with_text: false, resolve, reject }
      if (this.state === 'stopped') return this.#giveUp(call, 'the broker stops')
      this.#calls.push(call)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#calls.length === 0) return
    if (this.state !== 'ready') {
      this.#tryAgain()
      return
    }
    this.#scheduled = true
    queueMicrotask(() => void this.#send())
  }

  /** Later, what waits is sent, or given up. */
  #tryAgain(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined
      const now = performance.now()
      const waiting = this.#calls
      this.#calls = waiting.filter(({ until_ms }) => until_ms > now)
      for (const call of waiting) if (call.until_ms <= now) this.#giveUp(call, this.trouble)
      this.#schedule()
    }, AGAIN_MS)
  }

  async #send(): Promise<void> {
    this.#scheduled = false
    const calls = this.#calls
    this.#calls = []
    const pipeline = this.#redis.pipeline()
    for (const call of calls) {
      call.sent = true
      addTo(pipeline, call)
    }
    const replicas = this.#wait_replicas
    if (replicas > 0) pipeline.call('WAIT', replicas, WAIT_MS)
    const results = (await pipeline.exec().catch((error: Error) => calls.map(() => [error, undefined]))) ?? []
    const waited = results[calls.length]
    const stored = replicas === 0 || (!waited?.[0] && Number(waited?.[1]) >= replicas)
    for (const [i, call] of calls.entries()) {
      const [error, answer] = results[i] ?? [new Error('no answer'), undefined]
      if (error) this.#failed(call, error as Error)
      else if (stored) call.resolve(answer)
      else this.#failed(call, new Error(`fewer than ${replicas} replicas have it`))
    }
  }

  #failed(call: Call, error: Error): void {
    const meaning = meaningOf(error)
    if (meaning === 'full' || meaning === 'refused' || meaning === 'fault') {
      call.reject(new RedisFailed(meaning, error.message, { cause: error }))
      return
    }
    this.#trouble = error.message
    if (this.state === 'stopped' || performance.now() >= call.until_ms) {
      this.#giveUp(call, error.message)
      return
    }
    call.with_text = meaning === 'script'
    this.#calls.push(call)
    if (call.with_text) this.#schedule()
    else this.#tryAgain()
  }

  #giveUp({ sent, reject }: Pick<Call, 'sent' | 'reject'>, why: string): void {
    reject(new RedisFailed(sent ? 'unknown' : 'unsent', `Redis did not answer: ${why}`))
  }

  async #ready(): Promise<void> {
    try {
      await this.#look()
      const pipeline = this.#redis.pipeline()
      for (const { text } of this.options.scripts) pipeline.script('LOAD', text)
      await pipeline.exec()
    } catch (error) {
      this.#trouble = String(error)
      // It is connected again, and this is done again.
      this.#redis.disconnect(true)
      return
    }
    this.#became(this.facts?.unfit === undefined ? 'ready' : 'unfit')
    this.#schedule()
  }

  /** Asks the server what it is, and what time it has. */
  async #look(): Promise<void> {
    this.#looked_ms = performance.now()
    this.facts = factsOf(await this.#redis.info())
    const sent_ms = Date.now()
    const [seconds, microseconds] = await this.#redis.time()
    const middle_ms = (sent_ms + Date.now()) / 2
    this.clock_offset_ms = Math.round(Number(seconds) * 1000 + Number(microseconds) / 1000 - middle_ms)
  }

  async #lookAgain(): Promise<void> {
    if (this.state !== 'ready' && this.state !== 'unfit') return
    try {
      await this.#look()
      this.#became(this.facts?.unfit === undefined ? 'ready' : 'unfit')
      this.#schedule()
    } catch {
      // The connection is about to be closed, and looked at when it is there again.
    }
  }

  /** The library has given up the connection, which it should never do. */
  #ended(): void {
    if (this.state !== 'stopped') setTimeout(() => this.#redis.connect().catch(() => undefined), AGAIN_MS)
  }

  #became(state: ClientState): void {
    if (state === this.state || this.state === 'stopped') return
    this.state = state
    this.options.changed?.(state)
  }
}

function addTo(pipeline: ChainableCommander, { script, parts, with_text }: Call): void {
  if (!script) pipeline.call(...(parts as [string, ...string[]]))
  else if (with_text) pipeline.call('EVAL', script.text, ...parts)
  else pipeline.call('EVALSHA', script.sha1, ...parts)
}

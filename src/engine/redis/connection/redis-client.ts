import type { Target } from '../../../core/redis-target.ts'
import type { Args, Place, Run, Script, Word } from '../script.ts'
import { Call, NO_PLACE } from './call.ts'
import { CallCounts } from './counts.ts'
import { codeOf, type RedisFailed, type Verdict, verdictOn } from './failures.ts'
import { ClusterServers } from './servers/cluster-servers.ts'
import type { ConnectionState } from './servers/server-connection.ts'
import { isSharded } from './servers/server-info.ts'
import { type Home, type Servers, type ServersOwner, SingleServer } from './servers/servers.ts'

export interface RedisClientOptions {
  readonly target: Target
  /** What all keys begin with (`keyPrefix`). */
  readonly prefix: string
  /** PEM of the authorities to trust instead of the usual ones. */
  readonly ca?: string | undefined
  /** Those that are going to be run; each server has them before it gets calls. */
  readonly scripts: readonly Script[]
  /** How many replicas must have stored a call before it counts. */
  readonly wait_replicas?: number
  /** How long a call is tried, in milliseconds. */
  readonly call_ms?: number
  /** How long one that was never sent waits for its server, in milliseconds; as long if left out. */
  readonly unsent_ms?: number
  /** Counts of several clients together; its own if left out. */
  readonly counts?: CallCounts
}

/** How long the first wait before another try is, and the longest, in milliseconds. */
const LATER_MS = 10
const LATER_MS_MAX = 250

/** How often calls are looked at whose time may be over, in milliseconds. */
const DEADLINES_MS = 50

/** What another try right away may well mend, and for how many tries that is believed. */
const AT_ONCE: ReadonlySet<Verdict> = new Set(['load', 'moved', 'ask'])
const MOVES_MAX = 4

/**
 * Calls to Redis: one server, a master behind sentinels, or a cluster.
 *
 * A call is tried, as it is, until it is answered or its time is over, so it has to be one that may be made
 * again. Calls of one turn of the event loop go out together, in the order in which they were made; once one
 * of them has to be tried again, the order is lost.
 */
export class RedisClient {
  readonly target: Target
  readonly counts: CallCounts
  /** As in {@link RedisClientOptions}; what is sent from now on waits for so many. */
  wait_replicas: number
  readonly #call_ms: number
  readonly #unsent_ms: number
  readonly #servers: Servers
  readonly #cluster: boolean
  /** All that nobody has answered yet, by when they were made. */
  readonly #open = new Set<Call>()
  /** Those of them that no server takes at the moment. */
  #held: Call[] = []
  #deadline: NodeJS.Timeout | undefined
  /** Calls that are to be tried again, by how long that waits: those that failed together go together. */
  readonly #later = new Map<number, { readonly timer: NodeJS.Timeout; readonly calls: Call[] }>()
  readonly #listeners = new Set<() => void>()
  #stopped = false

  constructor({
    target,
    prefix,
    ca,
    scripts,
    wait_replicas = 0,
    call_ms = 5000,
    unsent_ms = call_ms,
    counts = new CallCounts(),
  }: RedisClientOptions) {
    this.target = target
    this.counts = counts
    this.wait_replicas = wait_replicas
    this.#call_ms = call_ms
    this.#unsent_ms = unsent_ms
    const client = this
    const owner: ServersOwner = {
      scripts,
      get wait_replicas() {
        return client.wait_replicas
      },
      markOf: (connection) => this.#servers.markOf(connection, `${prefix}written`),
      changed: () => {
        this.#routeHeld()
        for (const listener of this.#listeners) listener()
      },
      answered: (call, value, now_ms) => {
        this.#open.delete(call)
        this.counts.calls.add((now_ms - call.made_ms) / 1000)
        call.answer(value)
      },
      failed: (call, error) => this.#failed(call, error),
      unsent: (calls) => {
        this.#held.push(...calls)
      },
      unmet: () => {
        this.counts.wait_unmet++
      },
    }
    this.#cluster = target.form === 'cluster'
    const Form = this.#cluster ? ClusterServers : SingleServer
    this.#servers = new Form(target, ca, owner)
  }

  /**
   * Tells of each change of the state, or of anything else that a server says of itself.
   *
   * @returns ends it
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** `ready` when all keys can be reached. */
  get state(): ConnectionState {
    return this.#servers.state
  }

  /** Why it is not ready: one sentence for each reason. */
  get faults(): readonly string[] {
    return [...new Set(this.#servers.faults)]
  }

  /** Whether all servers have `SPUBLISH` and `SSUBSCRIBE`; undefined while none has been asked. */
  get sharded(): boolean | undefined {
    const infos = [...this.#servers.all()].flatMap(({ info }) => info ?? [])
    return infos.length === 0 ? undefined : infos.every(isSharded)
  }

  /** What holds at each of its servers. */
  get places(): readonly Place[] {
    return [...this.#servers.all()].map(({ place }) => place)
  }

  /** A channel for each of its servers, on which that one publishes. @param stem what they begin with */
  marks(stem: string): string[] {
    return [...this.#servers.all()].map((connection) => this.#servers.markOf(connection, stem))
  }

  /** Calls that nobody has answered yet. */
  get waiting(): number {
    return this.#open.size
  }

  /** What holds at the server that has a key. */
  placeOf(key: string): Place {
    return this.#servers.of(this.#servers.slotOf(key))?.place ?? NO_PLACE
  }

  /** Another number after each change of {@link homeOf}. */
  get placement(): number {
    return this.sharded === undefined ? 0 : this.#servers.placement
  }

  /** Where a channel is subscribed; undefined while that is not known. */
  homeOf(channel: string): Home | undefined {
    return this.sharded === undefined ? undefined : this.#servers.home(this.#servers.slotOf(channel))
  }

  /** A server said that the slot of a channel has moved, as in `MOVED 3999 127.0.0.1:6381`. */
  moved(channel: string, answer: Error): void {
    this.#servers.moved(this.#servers.slotOf(channel), addressIn(answer))
  }

  /**
   * Runs a script. All keys are in one hash slot. While a slot of a cluster moves, its old node refuses calls
   * with a key that is not there. A call of which all are there could lose one halfway, and be broken off: so
   * each has a key besides that never is.
   *
   * @param args as a function: made anew for each try, for the server that it goes to
   * @throws RedisFailed
   */
  readonly run: Run = (script, keys, args) =>
    this.#call('evalsha', this.#cluster ? [...keys, `${keys[0]}:never`] : keys, args, script)

  /**
   * A command, such as `HGET`. All its keys are in one hash slot.
   *
   * @param key its first key, which its arguments follow
   * @throws RedisFailed
   */
  command(name: string, key: string, ...args: readonly Word[]): Promise<unknown> {
    return this.#call(name.toLowerCase(), [key], args, undefined)
  }

  #call(name: string, keys: readonly string[], args: Args, script: Script | undefined): Promise<unknown> {
    const slot = this.#servers.slotOf(keys[0] ?? '')
    const call = new Call(name, keys, args, script, slot, performance.now())
    if (this.#stopped) {
      call.fail('unsent', 'the connection is closed')
      return call.promise
    }
    this.#open.add(call)
    this.#deadline ??= setTimeout(() => this.#pastDeadline(), this.#unsent_ms)
    this.#route(call)
    return call.promise
  }

  #route(call: Call): void {
    if (call.done) return
    const server = this.#servers.of(call.slot, call.ask)
    if (server?.state === 'ready') server.send(call)
    else if (server && call.tries === 0 && performance.now() - server.down_ms > this.#unsent_ms)
      this.#giveUp(call)
    else if (server?.state === 'unfit') this.#fail(call, 'unfit', server.faults.join(' '))
    else this.#held.push(call)
  }

  #routeHeld(): void {
    const held = this.#held
    this.#held = []
    for (const call of held) this.#route(call)
  }

  #routeLater(call: Call): void {
    const ms = Math.min(LATER_MS_MAX, LATER_MS * 2 ** Math.min(call.tries, 10))
    const known = this.#later.get(ms)
    if (known) {
      known.calls.push(call)
      return
    }
    const calls = [call]
    const timer = setTimeout(() => {
      this.#later.delete(ms)
      for (const call of calls) this.#route(call)
    }, ms)
    this.#later.set(ms, { timer, calls })
  }

  #failed(call: Call, error: Error): void {
    call.last = error
    const verdict = verdictOn(error)
    switch (verdict) {
      case 'full':
      case 'refused':
      case 'script':
        this.#fail(call, verdict, error.message)
        return
      case 'load':
        call.load = true
        break
      case 'moved':
        this.#servers.moved(call.slot, addressIn(error))
        break
      case 'ask':
        call.ask = addressIn(error)
        break
      case 'later':
        if (codeOf(error.message) === 'CLUSTERDOWN') this.#servers.refresh()
        break
      case 'lost':
        call.may_have_run = true
        this.counts.unknown_outcomes++
    }
    if (AT_ONCE.has(verdict) && call.tries <= MOVES_MAX) this.#route(call)
    else this.#routeLater(call)
  }

  #fail(call: Call, kind: RedisFailed['kind'], why: string): void {
    this.#open.delete(call)
    call.fail(kind, why)
  }

  #pastDeadline(): void {
    const now = performance.now()
    for (const call of this.#open) {
      const age_ms = now - call.made_ms
      if (age_ms < this.#unsent_ms) break
      if (age_ms >= this.#call_ms || call.tries === 0) this.#giveUp(call)
    }
    this.#held = this.#held.filter(({ done }) => !done)
    this.#deadline = this.#open.size > 0 ? setTimeout(() => this.#pastDeadline(), DEADLINES_MS) : undefined
  }

  #giveUp(call: Call): void {
    const faults = this.#servers.of(call.slot)?.faults ?? this.faults
    const why = call.last?.message ?? faults.join(' ')
    if (call.may_have_run) {
      this.#fail(call, 'unknown', `it may have been done: ${why}`)
      return
    }
    const login = faults.some((fault) => /\b(NOAUTH|WRONGPASS|NOPERM)\b/.test(fault))
    this.#fail(call, login ? 'refused' : 'unsent', `it was not done: ${login ? faults.join(' ') : why}`)
  }

  /** Closes all connections. Calls that are still open fail. */
  stop(): void {
    this.#stopped = true
    this.#servers.stop()
    clearTimeout(this.#deadline)
    for (const { timer } of this.#later.values()) clearTimeout(timer)
    for (const call of this.#open) this.#giveUp(call)
    this.#held = []
  }
}

/** The address in an answer such as `MOVED 3999 127.0.0.1:6381`. */
function addressIn({ message }: Error): string {
  return message.split(' ')[2] ?? ''
}

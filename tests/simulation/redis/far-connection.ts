import { CLAIM_DUE } from '../../../src/engine/redis/addresses/due-index.ts'
import { RedisFailed } from '../../../src/engine/redis/connection/failures.ts'
import type { EngineConnection } from '../../../src/engine/redis/connection/redis-connection.ts'
import type { Args, Place, Script, Word } from '../../../src/engine/redis/script.ts'
import type { RedisStats } from '../../../src/engine/values.ts'
import type { PipelineFault } from './faults.ts'
import type { Answer, Request } from './server.ts'
import { PREFIX, type RedisWorld } from './world.ts'

interface Call {
  readonly script: Script | undefined
  /** What is sent, made anew for each try. */
  readonly request: (place: Place, tries: number) => Request
  readonly until_ms: number
  tries: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: RedisFailed) => void
}

/** Before a call is tried again. */
const AGAIN_MS = 25
/** How long a call is tried. */
export const CALL_MS = 5000
const LATE_MS_MAX = 3000
const BACK_MS = 100
/** Most pipelines only look for what is due. The others fail so many times as often. */
const OFTEN = 6

/**
 * Stands for the connections of one process: calls reach a real server, and their answers this process, when
 * the schedule says so, if they do. A call that is not answered is made again until its time is up. The calls
 * of one turn go in one pipeline, and pipelines arrive in their order.
 */
export class FarConnection implements EngineConnection {
  readonly prefix = PREFIX
  readonly publish = 'PUBLISH'
  listener: EngineConnection['listener']
  generation: string
  #dead = false
  #up = true
  /** Rises when the connection is lost: what was under way is not answered. */
  #line = 0
  #waiting: Call[] = []
  #sending = false
  #trying = false
  /** Pipelines that are not answered, in their order. */
  readonly #under_way = new Set<readonly Call[]>()
  #arrives_ms = 0
  #answered_ms = 0
  readonly #wanted = new Set<string>()
  #subscribed = new Set<string>()
  /** Rises when what is published stops being heard. */
  #ear = 0
  #hearing = false

  constructor(private readonly world: RedisWorld) {
    this.generation = world.generation()
  }

  async start(): Promise<void> {
    this.world.channels.join(this)
    this.#hearAgain(this.world.faults.call_ms)
  }

  stop(): void {
    this.die()
  }

  tick(): void {}

  readonly faults: readonly string[] = []
  readonly stats: Omit<RedisStats, 'instances'> = {
    up: true,
    trouble: undefined,
    wait_replicas: 0,
    calls: { count: 0, sum: 0, buckets: [], bounds: [] },
    unknown_outcomes: 0,
    wait_unmet: 0,
  }

  /** The process has died. What it has sent may arrive all the same. */
  die(): void {
    this.#dead = true
    this.world.channels.leave(this)
  }

  readonly run = (script: Script, keys: readonly string[], args: Args) => {
    const head = ['EVALSHA', script.sha1, String(keys.length), ...keys]
    return this.#call(script, (place, tries) => {
      const some = (typeof args === 'function' ? args(place) : args).map(String)
      return [...head, ...(this.world.bug === 'numbered_anew' ? numberedAnew(some, tries) : some)]
    })
  }

  readonly command = (name: string, ...args: readonly Word[]) => {
    const request = [name, ...args.map(String)]
    return this.#call(undefined, () => request)
  }

  #call(script: Script | undefined, request: Call['request']): Promise<unknown> {
    const { random, schedule, redis_faults } = this.world
    return new Promise((resolve, reject) => {
      if (this.#dead) return
      const until_ms = schedule.now + (random.chance(redis_faults.impatient) ? 0 : CALL_MS)
      this.#waiting.push({ script, request, until_ms, tries: 0, resolve, reject })
      this.#soon()
    })
  }

  #soon(): void {
    if (!this.#up) {
      this.#tryAgain()
      return
    }
    if (this.#sending || this.#waiting.length === 0) return
    this.#sending = true
    queueMicrotask(() => this.#send())
  }

  /** Later, what waits is sent, or given up. */
  #tryAgain(): void {
    if (this.#trying) return
    this.#trying = true
    this.world.schedule.later(AGAIN_MS, 'again', () => {
      this.#trying = false
      if (this.#dead) return
      const { now } = this.world.schedule
      const waiting = this.#waiting
      this.#waiting = waiting.filter(({ until_ms }) => until_ms >= now)
      for (const call of waiting) if (call.until_ms < now) this.#giveUp(call)
      if (this.#waiting.length > 0) this.#soon()
    })
  }

  #giveUp({ tries, reject }: Call): void {
    const kind = tries > 0 ? 'unknown' : 'unsent'
    this.world.rare.took(`given up: ${kind}`)
    reject(new RedisFailed(kind, 'Redis did not answer', tries > 0))
  }

  #send(): void {
    this.#sending = false
    if (this.#dead) return
    const { random, schedule, faults, redis_faults, rare } = this.world
    const calls = this.#waiting
    this.#waiting = []
    const place = { generation: this.generation, clock_offset_ms: 0, replicas: 0 }
    const asked = calls.map((call) => ({
      script: call.script,
      request: call.request(place, call.tries++),
    }))
    const often = asked.some(({ script }) => script && script !== CLAIM_DUE) ? OFTEN : 1
    const fault = random.chance(faults.fail * often) ? random.pick(redis_faults.pipeline) : undefined
    if (fault) for (const { script, request } of asked) rare.took(`${script?.name ?? request[0]} ${fault}`)
    this.#arrives_ms = Math.max(this.#arrives_ms, schedule.now + random.between(0, faults.call_ms))
    const wait_ms = this.#arrives_ms - schedule.now
    const line = this.#line
    const carriedOut = chosen(fault, calls, () => random.chance(0.5))
    const late_ms = fault === 'late' ? random.between(0, LATE_MS_MAX) : 0
    schedule.later(wait_ms + late_ms, 'pipeline', async () => {
      await schedule.quiet()
      // What a process sent before it died, or over a connection that was lost, may arrive.
      const lost = this.#dead || line !== this.#line
      if (lost && random.chance(0.5)) return
      const some = asked.filter((_, i) => carriedOut.has(calls[i]!))
      const answers = await this.world.mirror.carryOut(some)
      if (lost || (fault !== undefined && fault !== 'some')) return
      const known = new Map(calls.filter((call) => carriedOut.has(call)).map((call, i) => [call, answers[i]]))
      this.#answers(line, calls, known)
    })
    const failed = fault !== undefined && fault !== 'some'
    if (failed)
      schedule.later(wait_ms + random.between(0, faults.call_ms), 'lost', () => this.#lost(line, calls))
    this.#under_way.add(calls)
  }

  /** @param known what the server answered; the other calls it refused for the moment */
  #answers(line: number, calls: readonly Call[], known: ReadonlyMap<Call, Answer>): void {
    const { random, schedule, faults } = this.world
    this.#answered_ms = Math.max(this.#answered_ms, schedule.now + random.between(0, faults.call_ms))
    schedule.later(this.#answered_ms - schedule.now, 'answers', () => {
      if (this.#dead || line !== this.#line || !this.#under_way.delete(calls)) return
      for (const call of calls)
        if (known.has(call)) call.resolve(known.get(call))
        else this.#failed(call)
    })
  }

  #lost(line: number, calls: readonly Call[]): void {
    if (this.#dead || line !== this.#line || !this.#under_way.delete(calls)) return
    for (const call of calls) this.#failed(call)
  }

  #failed(call: Call): void {
    if (this.world.schedule.now >= call.until_ms) {
      this.#giveUp(call)
      return
    }
    this.#waiting.push(call)
    this.#tryAgain()
  }

  /** The connection is lost, for so long. */
  breaks(ms: number): void {
    if (this.#dead || !this.#up) return
    this.#up = false
    this.#line++
    const under_way = [...this.#under_way]
    this.#under_way.clear()
    for (const calls of under_way) for (const call of calls) this.#failed(call)
    this.world.schedule.later(ms, 'back', () => this.back())
  }

  /** It is there again, maybe to another server. */
  back(): void {
    if (this.#dead || this.#up) return
    this.generation = this.world.generation()
    this.#up = true
    this.#soon()
  }

  listen(channel: string, on: boolean): void {
    const { schedule, random, faults } = this.world
    if (on) this.#wanted.add(channel)
    else this.#wanted.delete(channel)
    if (!this.#hearing) return
    const ear = this.#ear
    schedule.later(random.between(0, faults.call_ms), 'subscribed', () => {
      if (this.#ear !== ear || this.#wanted.has(channel) !== on) return
      if (on) this.#subscribed.add(channel)
      else this.#subscribed.delete(channel)
    })
  }

  hears(channel: string): boolean {
    return this.#subscribed.has(channel)
  }

  /** @returns what to call when a text has arrived */
  hearing(channel: string, text: string): () => void {
    const ear = this.#ear
    return () => {
      if (!this.#dead && ear === this.#ear) this.listener?.received(channel, text)
    }
  }

  /** What is published is not heard for so long. */
  deafens(ms: number): void {
    if (this.#dead || !this.#hearing) return
    this.#hearing = false
    this.#ear++
    this.#subscribed.clear()
    this.#hearAgain(ms)
  }

  #hearAgain(ms: number): void {
    this.world.schedule.later(ms, 'heard again', () => {
      if (this.#dead) return
      this.#hearing = true
      this.#subscribed = new Set(this.#wanted)
      this.world.schedule.later(this.world.random.between(0, BACK_MS), 'missed', () => {
        if (this.#dead) return
        this.world.rare.took('missed')
        this.listener?.missed()
      })
    })
  }
}

/** The calls that are carried out. */
function chosen(
  fault: PipelineFault | undefined,
  calls: readonly Call[],
  chance: () => boolean,
): ReadonlySet<Call> {
  if (fault === 'unsent') return new Set()
  if (fault === 'some') return new Set(calls.filter(() => chance()))
  if (fault !== 'cut') return new Set(calls)
  const end = calls.findIndex(() => chance())
  return new Set(end === -1 ? calls : calls.slice(0, end))
}

/** The same call of a mailbox with a number for each try. They rise as the others do. */
function numberedAnew(args: readonly string[], tries: number): readonly string[] {
  const [context = '', publish = '', who = '', ...rest] = args
  if (!publish.startsWith('PUBLISH ')) return args
  const space = who.indexOf(' ')
  const number = Number(who.slice(space + 1)) * TRIES_MAX + tries
  return [context, publish, `${who.slice(0, space)} ${number}`, ...rest]
}

const TRIES_MAX = 1000

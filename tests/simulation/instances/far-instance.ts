import { StorageFailed } from '../../../src/core/errors.ts'
import type { Take } from '../../../src/core/mailbox/entry.ts'
import type { SessionEnd } from '../../../src/core/session.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { MemoryEngine } from '../../../src/engine/memory/memory.ts'
import type { Address, Heard, Latest, Read, Settled } from '../../../src/engine/values.ts'
import type { Bus } from './bus.ts'
import type { Bug } from './faults.ts'
import { Instance } from './instance.ts'
import type { World } from './world.ts'

/** What an instance needs of the memory engine under all of them, and of the bus between them. */
export interface FarWorld extends World {
  readonly engine: MemoryEngine
  readonly bus: Bus
  readonly bug: Bug | undefined
}

/**
 * An instance over an engine that is elsewhere: its calls take effect in their order, but later, and may fail
 * before or after that.
 */
export class FarInstance extends Instance {
  #followed = new Set<string>()
  /** The session that it last knew to hold each address. */
  #known = new Map<string, string>()
  /** When the last call takes effect. */
  #effect_ms = 0

  constructor(protected override readonly world: FarWorld) {
    super(world)
  }

  follows({ client_id }: Address): boolean {
    return this.up && this.#followed.has(client_id)
  }

  /** What a mailbox has come to. */
  latest({ project, client_id }: Address): Latest {
    const { engine, bug } = this.world
    const { last, ...latest } = latestOf(engine, project, client_id)
    if (bug === 'look_at_last') return { ...latest, changes: last }
    if (bug === 'takeover_untold') return { ...latest, session_id: this.#known.get(client_id) }
    return latest
  }

  protected newEngine(): Engine {
    this.#followed = new Set()
    this.#known = new Map()
    const { engine, bug } = this.world
    const { life } = this
    const own: Partial<Engine> = {
      follow: (address, on) => void this.#sure(life, 'follow', () => this.#follow(address, on)),
      heard: (sessions: readonly Heard[]) => void this.#sure(life, 'heard', () => engine.heard(sessions)),
      read: (...args) => this.#read(life, ...args),
      settle: (...args) => this.#call(life, 'settle', () => this.#settle(...args)),
      sweep: () => this.#call(life, 'sweep', () => engine.sweep()),
      checkin: (checkin) =>
        this.#call(life, 'checkin', () => {
          const checked = engine.checkin(checkin)
          if (checked.outcome === 'ok') this.#known.set(checkin.client_id, checked.session.session_id)
          return checked
        }),
    }
    if (bug !== 'no_look')
      own.latest = (addresses) =>
        this.#call(life, 'latest', () => addresses.map((address) => this.latest(address)))
    return new Proxy<Engine>(engine, {
      get: (target, name) => {
        if (name === 'latest') return own.latest
        const member: unknown = Reflect.get(own, name) ?? Reflect.get(target, name)
        if (typeof member !== 'function' || name in own) return member
        if (name === 'flush' || name === 'start') return member.bind(target)
        return (...args: unknown[]) => this.#call(life, String(name), () => member.apply(target, args))
      },
    })
  }

  #follow({ project, client_id }: Address, on: boolean): void {
    if (on) this.#followed.add(client_id)
    else this.#followed.delete(client_id)
    if (this.world.bug !== 'begun_late' || !on) return
    const followed = this.broker.following.of({ project, client_id })
    if (!followed) return
    this.world.schedule.later(BEGUN_LATE_MS, 'begun', () => {
      followed.told = this.latest({ project, client_id })
    })
  }

  #settle(...[address, settle]: Parameters<Engine['settle']>): Settled | SessionEnd {
    const settled = this.world.engine.settle(address, settle)
    // Of several calls that were woken by one message, one gets it.
    if (
      address.client_id === 'asker' &&
      settle.message_ids &&
      typeof settled === 'object' &&
      settled.settled === 0
    )
      this.world.rare.took('woke empty')
    return settled
  }

  /** `auto` leases, and acknowledges what has been answered: an answer may be lost. */
  async #read(life: number, ...[address, position, take]: Parameters<Engine['read']>): Promise<Read> {
    const { engine, bug } = this.world
    const how: Take =
      bug === 'acked_unsent' && take.ack !== 'none'
        ? { ...take, ack: 'auto' }
        : { ...take, ack: take.ack === 'auto' ? 'manual' : take.ack }
    const answer = await this.#call(life, 'read', () => engine.read(address, position, how))
    if (typeof answer === 'string' || take.ack !== 'auto' || answer.due.length === 0) return answer as Read
    const { session_id } = take
    const leases = { epoch: answer.epoch, of: answer.due }
    void this.#call(life, 'settle', () => engine.settle(address, { session_id, leases })).catch(
      () => undefined,
    )
    return { ...answer, due: answer.due.map((due) => ({ ...due, acknowledged: true })) }
  }

  /** A call that does not fail: it is made again until it has succeeded. */
  #sure<T>(life: number, name: string, effect: () => T): Promise<T> {
    return this.#call(life, name, effect, 0)
  }

  /** A call that takes effect later and is answered later still, if at all. */
  #call<T>(life: number, name: string, effect: () => T, fail = this.world.faults.fail): Promise<T> {
    const { schedule, random, faults, rare, bus } = this.world
    const failure = random.chance(fail) ? random.pick(['before', 'after'] as const) : undefined
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    if (failure) rare.took(`${name} failed ${failure}`)
    const answers = (answer: () => void) =>
      schedule.later(random.between(0, faults.call_ms), `${name} answered`, () => {
        if (this.lives(life)) answer()
      })
    this.#effect_ms = Math.max(this.#effect_ms, schedule.now + random.between(0, faults.call_ms))
    schedule.later(this.#effect_ms - schedule.now, name, () => {
      // What a process sent before it died may arrive all the same.
      if (!this.lives(life) && random.chance(0.5)) return
      if (failure === 'before') {
        answers(() => reject(new StorageFailed(`${name} failed before it took effect`)))
        return
      }
      const { answer, own } = bus.caused(this, effect)
      // Nobody waits for these.
      if (own.length === 0 && UNANSWERED.has(name)) {
        resolve(answer)
        return
      }
      answers(() => {
        if (failure === 'after') {
          reject(new StorageFailed(`${name} failed after it took effect`))
          return
        }
        for (const tell of own) tell(this.broker, false)
        resolve(answer)
      })
    })
    return promise
  }
}

const UNANSWERED: ReadonlySet<string> = new Set(['sweep', 'heard', 'follow'])
const BEGUN_LATE_MS = 100

/** What a mailbox has come to, as an engine would say it. */
function latestOf(engine: MemoryEngine, project: string, client_id: string) {
  const { epoch, changes, last, session } = engine.client(project, { client_id }) ?? NOBODY
  return { epoch, changes, last, session_id: session?.session_id }
}

const NOBODY = { epoch: '0', changes: 0, last: 0, session: undefined }

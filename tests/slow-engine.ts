import { StorageFailed } from '../src/core/errors.ts'
import type { Engine, EngineEvents } from '../src/engine/engine.ts'
import type { Address, Latest } from '../src/engine/values.ts'

/** How an engine differs from one in this process. */
export interface Slowness {
  /** For how many turns something waits: a call before it takes effect, an answer, an event. */
  readonly turns: () => number
  /** Whether an event comes twice. */
  readonly doubles?: () => boolean
  /** Whether announcements are lost, which `missed` tells of afterwards. */
  readonly loses?: () => boolean
  /** Whether an event is lost of which `missed` does not tell. The engine then says what is the latest. */
  readonly forgets?: (event: string) => boolean
  /** Whether a call fails, and whether it has taken effect by then. */
  readonly fails?: (method: string, args: readonly unknown[]) => 'before' | 'after' | undefined
  /** Is told when something begins to wait, and when it has waited. */
  readonly waits?: (by: 1 | -1) => void
}

/**
 * The same engine as if it were elsewhere. Calls take effect in their order, but later; answers and events
 * come later still, events in their order. All that crosses is a copy, made at once. With `fails`, calls
 * fail as over a network: before they took effect, or after.
 */
export function slowEngine(inner: Engine, how: Slowness): Engine {
  const effects = new Line(how)
  const later = (target: object, name: string, member: (...args: unknown[]) => unknown) => {
    return async (...args: unknown[]) => {
      const copies = structuredClone(args)
      const failure = how.fails?.(name, copies)
      const answer = await effects.wait(() => {
        if (failure === 'before') throw new StorageFailed(`${name} failed before it took effect`)
        return member.apply(target, copies)
      })
      await waited(how)
      if (failure === 'after') throw new StorageFailed(`${name} failed after it took effect`)
      return structuredClone(answer)
    }
  }
  const slowed = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (name === 'records') return slowed(member as object)
        if (name === 'latest')
          return (
            how.forgets && ((addresses: readonly Address[]) => effects.wait(() => latestOf(inner, addresses)))
          )
        if (name === 'start') return (events: EngineEvents) => inner.start(slowEvents(events, how))
        if (typeof member !== 'function') return member
        const call = later(target, String(name), member as (...args: unknown[]) => unknown)
        // These answer nothing, so nobody takes their failure.
        if (name === 'heard' || name === 'follow')
          return (...args: unknown[]) => void call(...args).catch(() => undefined)
        return call
      },
    })
  return slowed(inner)
}

/** What mailboxes have come to, and who holds them. */
export function latestOf(engine: Engine, addresses: readonly Address[]): Promise<Latest[]> {
  return Promise.all(
    addresses.map(async ({ project, client_id }) => {
      const client = await engine.client(project, { client_id })
      const { epoch, changes } = client ?? { epoch: '0', changes: 0 }
      return { epoch, changes, session_id: client?.session?.session_id }
    }),
  )
}

/** Passes events on later, as copies, in their order. */
function slowEvents(events: EngineEvents, how: Slowness): EngineEvents {
  const line = new Line(how)
  const tell = (name: Exclude<keyof EngineEvents, 'wants_each'>, args: readonly unknown[]) => {
    if (how.forgets?.(name)) return
    const copies = structuredClone(args)
    if (name === 'announced' && how.loses?.()) {
      void line.wait(() => events.missed())
      return
    }
    for (let times = how.doubles?.() ? 2 : 1; times > 0; times--)
      void line.wait(() => (events[name] as (...args: unknown[]) => void)(...structuredClone(copies)))
  }
  return {
    get wants_each() {
      return events.wants_each
    },
    announced: (...args) => tell('announced', args),
    acknowledged: (...args) => tell('acknowledged', args),
    died: (...args) => tell('died', args),
    session: (...args) => tell('session', args),
    record: (...args) => tell('record', args),
    missed: () => tell('missed', []),
  }
}

/** Does things one after the other, each some turns after it was asked for. */
class Line {
  #last: Promise<unknown> = Promise.resolve()

  constructor(private readonly how: Slowness) {}

  async wait<T>(action: () => T): Promise<Awaited<T>> {
    const due = waited(this.how)
    const before = this.#last
    const done = Promise.withResolvers<void>()
    this.#last = done.promise
    this.how.waits?.(1)
    try {
      await before
      await due
      return await action()
    } finally {
      this.how.waits?.(-1)
      done.resolve()
    }
  }
}

/** Resolves some turns later. */
async function waited({ turns, waits }: Slowness): Promise<void> {
  waits?.(1)
  for (let left = turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
  waits?.(-1)
}

/**
 * The same engine, but its answers to `method` come only when the gate is open. It does things at once and
 * in order.
 *
 * @param asked is told of each call of the method
 */
export function gatedEngine(
  engine: Engine,
  method: keyof Engine,
  gate: Promise<void>,
  asked: () => void,
): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== method) return member.bind(target)
      return async (...args: unknown[]) => {
        asked()
        const answer = member.apply(target, args)
        await gate
        return answer
      }
    },
  })
}

import { bounceOf } from '../../src/core/bounce.ts'
import type { DeadLetter } from '../../src/core/mailbox/entry.ts'
import type { Session } from '../../src/core/session.ts'
import type { EngineEvents } from '../../src/engine/engine.ts'
import type { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { Address } from '../../src/engine/values.ts'

/** Mistakes that an engine could make. Each is planted by changing the methods of a sound one. */
const PLANTS = {
  /** What is pending again is announced to nobody. */
  forgotten_redelivery: (engine: MemoryEngine) =>
    tellOtherwise(engine, (events) => ({
      announced: (announcement) => {
        if (!announcement.redelivery) events.announced(announcement)
      },
    })),

  /** A lease settles its message, although the message was delivered again since. */
  older_attempt: (engine: MemoryEngine) => {
    const settle = engine.settle.bind(engine)
    engine.settle = (address, how) => {
      const { leases } = how
      if (!leases) return settle(address, how)
      const latest = (offset: number): number => {
        const after = { epoch: leases.epoch, offset: offset - 1 }
        return engine.history(address, { after }, 1, 1).deliveries[0]?.attempt ?? 0
      }
      const of = leases.of.map(({ offset }) => ({ offset, attempt: latest(offset) }))
      return settle(address, { ...how, leases: { ...leases, of } })
    }
  },

  /** A sender's mailbox has each bounce two times. */
  doubled_bounce: (engine: MemoryEngine) => {
    const append = engine.append.bind(engine)
    tellOtherwise(engine, (events) => ({
      died: (letter: DeadLetter, bounced) => {
        const bounce = bounced ? bounceOf(letter, sha256) : undefined
        if (bounce) append(letter.project, bounce, letter.message.sender_id)
        events.died(letter, bounced)
      },
    }))
  },

  /** Who asks for a client is told of its session as it was before the latest check-in. */
  stale_session: (engine: MemoryEngine) => {
    const latest = new Map<string, Session>()
    const stale = new Map<string, Session>()
    const checkin = engine.checkin.bind(engine)
    engine.checkin = (asked) => {
      const checked = checkin(asked)
      const place = placeOf(asked)
      const before = latest.get(place)
      if (before) stale.set(place, before)
      if (checked.outcome === 'ok') latest.set(place, checked.session)
      return checked
    }
    const client = engine.client.bind(engine)
    engine.client = (project, by) => {
      const state = client(project, by)
      const session = state?.session && stale.get(placeOf({ project, client_id: state.client_id }))
      return session ? { ...state, session } : state
    }
  },

  /** A flush ends while its commit is under way, so that receipts go out before it. */
  early_receipt: (engine: MemoryEngine) => {
    const flush = engine.flush.bind(engine)
    engine.flush = () => {
      const flushed = flush()
      if (flushed instanceof Promise) flushed.catch(() => undefined)
    }
  },
} satisfies Record<string, (engine: MemoryEngine) => void>

export type Fault = keyof typeof PLANTS

/** Names the fault that engines under test have. */
export const FAULT_VARIABLE = 'MCP_BROKER_TEST_FAULT'

/** The same engine, with the fault that the environment names, if it names one. @throws Error if unknown */
export function planted(engine: MemoryEngine): MemoryEngine {
  const fault = process.env[FAULT_VARIABLE]
  if (!fault) return engine
  if (!Object.hasOwn(PLANTS, fault)) throw new Error(`${FAULT_VARIABLE}: there is no fault ${fault}`)
  PLANTS[fault as Fault](engine)
  return engine
}

/** Has the engine tell some events otherwise. */
function tellOtherwise(
  engine: MemoryEngine,
  otherwise: (events: EngineEvents) => Partial<Omit<EngineEvents, 'wants_each'>>,
): void {
  const start = engine.start.bind(engine)
  engine.start = (events) =>
    start({
      get wants_each() {
        return events.wants_each
      },
      announced: (...told) => events.announced(...told),
      acknowledged: (...told) => events.acknowledged(...told),
      died: (...told) => events.died(...told),
      session: (...told) => events.session(...told),
      record: (...told) => events.record(...told),
      missed: () => events.missed(),
      ...otherwise(events),
    })
}

function placeOf({ project, client_id }: Address): string {
  return JSON.stringify([project, client_id])
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

import type { SessionHandle } from '../auth/session-handle.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import { then } from '../core/maybe-promise.ts'
import type { SessionEnd, SessionKey } from '../core/session.ts'
import type { Engine } from '../engine/engine.ts'
import type { Address, Announcement, Latest } from '../engine/values.ts'
import type { Change, Followed, Following } from './following.ts'
import type { Hub } from './hub.ts'
import type { Sessions } from './sessions.ts'
import type { Waiters } from './waiters.ts'

/** What is lost is found by the second look after it. */
const LOOK_MS = 1000
/** One question to the engine names at most so many addresses; the next waits for its answer. */
const ADDRESSES_MAX = 500

/** Who has to look when an event was lost. */
interface Lookers {
  readonly engine: Engine
  readonly following: Following
  readonly hub: Hub
  readonly waiters: Waiters
  readonly sessions: Sessions
}

/**
 * Finds what an engine has done and this instance was not told of. Only an engine with `latest` is asked: of
 * each address that is live here, how far its mailbox has come and who holds it.
 *
 * What was told goes up by one with each announcement. One that leaves a gap does not move it: the reply that
 * a call waits for may lie in the gap. A change that one look sees and that is still untold at the next one
 * counts as lost; then all who are here for the address look. The first look at an address has them look
 * anyway, since nobody knows what came before.
 */
export class Lookout {
  #looked_ms = Number.NEGATIVE_INFINITY
  #looking = false
  #failing = false
  /** How often something lost was found: announcements of one mailbox, or the end of a session. */
  found = 0

  /** @param over a session does not hold its address any more */
  constructor(
    private readonly lookers: Lookers,
    private readonly over: (session: SessionKey, end: SessionEnd) => void,
    private readonly report: (error: unknown) => void,
  ) {}

  /** A chore of housekeeping. @param now milliseconds since the epoch */
  tend(now: number): void {
    if (!this.lookers.engine.latest || this.#looking || now - this.#looked_ms < LOOK_MS) return
    this.#looked_ms = now
    this.#looking = true
    void this.#look()
  }

  /** Notes that a change was told here. */
  announced({ epoch, changes, project, client_id }: Announcement): void {
    const followed = this.lookers.following.of({ project, client_id })
    if (!followed?.told) return
    const { told } = followed
    const anew = epoch !== told.epoch
    if (changes !== (anew ? 1 : told.changes + 1)) return
    followed.told = { epoch, changes }
    // It was seen as it was before.
    if (anew) followed.seen = undefined
  }

  /** Any event may have been lost: readers and waiting calls look, and each session is asked for. */
  missed(): void {
    const { hub, waiters, sessions } = this.lookers
    hub.missed()
    waiters.missed()
    for (const session of sessions.all()) {
      const asked = this.#stillHeld(session)
      if (asked instanceof Promise) asked.catch(this.report)
    }
  }

  #stillHeld(session: SessionKey): MaybePromise<void> {
    const { project, client_id } = session
    return then(this.lookers.engine.client(project, { client_id }), (client) => {
      this.#heldBy(session, client?.session?.session_id)
    })
  }

  /** Ends a session here that does not hold its address any more. @returns whether it does */
  #heldBy({ project, client_id, session_id }: SessionKey, holder: string | undefined): boolean {
    if (holder === session_id) return true
    this.over({ project, client_id, session_id }, holder === undefined ? 'closed' : 'replaced')
    return false
  }

  async #look(): Promise<void> {
    try {
      // All that is compared was here before the engine is asked: its answer is not older.
      const asked = this.#addresses()
      for (let from = 0; from < asked.length; from += ADDRESSES_MAX) {
        const some = asked.slice(from, from + ADDRESSES_MAX)
        const found = await this.lookers.engine.latest!(some.map(({ address }) => address))
        for (const [i, live] of some.entries()) this.#compare(live, found[i]!)
      }
      this.#failing = false
    } catch (error) {
      // Of a fault that lasts, one line is enough.
      if (!this.#failing) this.report(error)
      this.#failing = true
    } finally {
      this.#looking = false
    }
  }

  /** Each address that is followed, or held by a session whose handle is in use. */
  #addresses(): Live[] {
    const live = new Map<string, Live>()
    for (const followed of this.lookers.following.all()) {
      const { address } = followed
      live.set(placeOf(address), { address, followed, handles: [] })
    }
    for (const handle of this.lookers.sessions.all()) {
      const { project, client_id } = handle
      const place = placeOf(handle)
      const here = live.get(place)
      if (here) here.handles.push(handle)
      else live.set(place, { address: { project, client_id }, followed: undefined, handles: [handle] })
    }
    return [...live.values()]
  }

  #compare({ followed, handles }: Live, latest: Latest): void {
    for (const handle of handles) if (!handle.ended && !this.#heldBy(handle, latest.session_id)) this.found++
    if (!followed) return
    const { told, seen, address } = followed
    followed.seen = latest
    if (told && (!seen || reaches(told, seen))) return
    if (told) this.found++
    followed.told = latest
    this.lookers.hub.announced(address)
    this.lookers.waiters.missed(address)
  }
}

interface Live {
  readonly address: Address
  readonly followed: Followed | undefined
  readonly handles: SessionHandle[]
}

function reaches(told: Change, seen: Change): boolean {
  return told.epoch === seen.epoch && told.changes >= seen.changes
}

function placeOf({ project, client_id }: Address): string {
  return `${project}/${client_id}`
}

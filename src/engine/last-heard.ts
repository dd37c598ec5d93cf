import { Ring } from '../core/ring.ts'
import type { Session } from '../core/session.ts'

/** A session that is heard again and again is moved this often. */
export const PLACED_MS = 100
/** How far beyond the limit those are looked for that were heard since they were placed. */
const BEYOND_MAX = 256

/** A session's place among the others; one that was heard again since is a hole. */
export interface Place {
  readonly offset: number
  readonly session: Session
  gone: boolean
}

/** The sessions of one project, in the order in which each was last heard: a session that is heard moves to the end. */
export class LastHeard {
  readonly #ring = new Ring<Place>()
  #last = 0
  /** Sessions here, and those of them that were only ever named as a sender. */
  count = 0
  senders = 0

  /** Moves a session to the end, or takes it in. @param before where it was */
  move(session: Session, before: Place | undefined): Place {
    if (before) this.#leave(before)
    else this.#counted(session, 1)
    const place: Place = { offset: ++this.#last, session, gone: false }
    this.#ring.push(place)
    return place
  }

  remove(place: Place): void {
    this.#leave(place)
    this.#counted(place.session, -1)
  }

  /** The session has now checked in, or read its mail. */
  noSender(session: Session): void {
    this.#counted(session, -1)
    session.sender_only = false
    this.#counted(session, 1)
  }

  /**
   * The sessions heard last, the latest first; all of them, where there is no limit, in the order in which they were placed.
   *
   * @param senders those too that were only ever named as a sender
   */
  latest(limit: number, senders: boolean): Session[] {
    const sessions: Session[] = []
    let oldest_ms = Number.POSITIVE_INFINITY
    for (let i = this.#ring.length - 1; i >= 0 && sessions.length < limit + BEYOND_MAX; i--) {
      const { session, gone } = this.#ring.at(i)
      if (gone || (session.sender_only && !senders)) continue
      // One that was heard since it was placed may belong before the last of those that are asked for.
      if (sessions.length >= limit && session.placed_ms + PLACED_MS <= oldest_ms) break
      sessions.push(session)
      oldest_ms = Math.min(oldest_ms, session.last_seen_ms)
    }
    if (limit === Number.POSITIVE_INFINITY) return sessions
    return sessions.sort((a, b) => b.last_seen_ms - a.last_seen_ms).slice(0, limit)
  }

  #counted({ sender_only }: Session, by: 1 | -1): void {
    this.count += by
    if (sender_only) this.senders += by
  }

  #leave(place: Place): void {
    place.gone = true
    this.#ring.release()
  }
}

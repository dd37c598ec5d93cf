import { Ring } from '../../core/mailbox/ring.ts'
import type { Session } from '../../core/session.ts'

/** A session that is heard again and again is moved to the end once in this time. */
export const PLACED_MS = 100
/** Sessions looked at beyond the limit, for those that were heard after they were placed. */
const BEYOND_MAX = 256

/** A session's place among the others; a hole once the session has moved or ended. */
export interface Place {
  readonly offset: number
  readonly session: Session
  gone: boolean
}

/** The sessions of one project, in the order in which they were last heard, within `PLACED_MS`. */
export class LastHeard {
  readonly #ring = new Ring<Place>()
  #last = 0
  /** Sessions here; `senders` counts those of clients that were only ever named as a sender. */
  count = 0
  senders = 0

  /** Moves a session to the end, or adds it. @param before its place so far */
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

  /** Counts a session as more than a sender: its client has checked in, or read its mail. */
  noSender(session: Session): void {
    this.#counted(session, -1)
    session.sender_only = false
    this.#counted(session, 1)
  }

  /**
   * The sessions heard last, the latest first. Without a limit they come in the order in which they were
   * placed, which is that order give or take {@link PLACED_MS}.
   *
   * @param senders include those of clients that were only ever named as a sender
   */
  latest(limit: number, senders: boolean): Session[] {
    const sessions: Session[] = []
    let oldest_ms = Number.POSITIVE_INFINITY
    for (let i = this.#ring.length - 1; i >= 0 && sessions.length < limit + BEYOND_MAX; i--) {
      const { session, gone } = this.#ring.at(i)
      if (gone || (session.sender_only && !senders)) continue
      // A session heard after it was placed may belong before the last of those found so far.
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

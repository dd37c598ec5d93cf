import type { Identity } from '../auth/identity.ts'
import { BrokerError } from '../core/errors.ts'
import type { Session, SessionEnd } from '../core/session.ts'
import type { Address, Announcement } from '../engine/engine.ts'

/** A call that waits for a message: a long poll, or an ask for its reply. */
interface Waiter {
  /**
   * How a message fits: one waiter takes it, `exact` before `any`. Where nobody does, all who `look` are woken to look
   * into the mailbox, for not each of them takes something out.
   */
  readonly fit: (announcement: Announcement) => 'exact' | 'any' | 'look' | undefined
  readonly settle: (announcement: Announcement | undefined) => void
  /** Whose call it is; undefined for one without a session. */
  readonly session: Session | undefined
}

/** Waiting calls by mailbox; each announcement is taken by at most one. */
export class Waiters {
  #by_mailbox = new Map<string, { address: Address; waiters: Waiter[] }>()
  #count = 0
  #closed = false

  constructor(private readonly waiting_max: number) {}

  get count(): number {
    return this.#count
  }

  /**
   * Waits for an announcement that fits.
   *
   * @param session the caller's: one that ends waits no more; see `stillIn`
   * @returns the announcement; undefined when the time is over, the caller has gone, its session has ended, or the broker shuts down
   * @throws BrokerError `too_many_waiting`
   */
  wait(
    address: Address,
    timeout_ms: number,
    signal: AbortSignal | undefined,
    fit: Waiter['fit'],
    session?: Session,
  ): Promise<Announcement | undefined> {
    if (this.#closed || signal?.aborted || session?.ended) return Promise.resolve(undefined)
    if (this.#count >= this.waiting_max) throw new BrokerError('too_many_waiting', { retry_after_ms: 1000 })
    const key = mailboxKey(address)
    return new Promise((resolve) => {
      const end = () => settle(undefined)
      const settle = (announcement: Announcement | undefined) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        this.#remove(key, waiter)
        resolve(announcement)
      }
      const waiter: Waiter = { fit, settle, session }
      const timer = setTimeout(end, timeout_ms)
      signal?.addEventListener('abort', end)
      const waiting = this.#by_mailbox.get(key)
      if (waiting) waiting.waiters.push(waiter)
      else this.#by_mailbox.set(key, { address, waiters: [waiter] })
      this.#count++
    })
  }

  /** The mailboxes that somebody waits at. */
  *addresses(): Generator<Address> {
    for (const { address } of this.#by_mailbox.values()) yield address
  }

  /** Hands an announcement to the waiter it fits best, or wakes those who look. */
  announced(announcement: Announcement): void {
    if (this.#count === 0) return
    const waiting = this.#by_mailbox.get(mailboxKey(announcement))?.waiters
    if (!waiting) return
    const fits = waiting.map((waiter) => waiter.fit(announcement))
    let best = fits.indexOf('exact')
    if (best === -1) best = fits.indexOf('any')
    if (best !== -1) waiting[best]!.settle(announcement)
    else for (const waiter of waiting.filter((_, i) => fits[i] === 'look')) waiter.settle(announcement)
  }

  /** Ends the waits of a session that has ended: what comes to its address is no longer for it. */
  ended(session: Session): void {
    const waiters = this.#by_mailbox.get(mailboxKey(session))?.waiters ?? []
    for (const waiter of waiters.filter((waiter) => waiter.session === session)) waiter.settle(undefined)
  }

  /** Ends every wait, and any to come, empty-handed. */
  close(): void {
    this.#closed = true
    for (const { waiters } of [...this.#by_mailbox.values()])
      for (const waiter of [...waiters]) waiter.settle(undefined)
  }

  #remove(key: string, waiter: Waiter): void {
    const waiting = this.#by_mailbox.get(key)?.waiters
    const at = waiting?.indexOf(waiter) ?? -1
    if (!waiting || at === -1) return
    waiting.splice(at, 1)
    if (waiting.length === 0) this.#by_mailbox.delete(key)
    this.#count--
  }
}

/** The session that a call is made in, to hold on to while the call waits: its caller may check in as another meanwhile. */
export function sessionToWaitIn({ session }: Identity): Session | undefined {
  return session?.ended ? undefined : session
}

/**
 * Holds who has waited to its session: the address may be another's by now.
 *
 * @param detail what has been done all the same
 * @throws BrokerError `session_replaced`, `session_ended`
 */
export function stillIn(session: Session | undefined, detail = ''): void {
  if (!session?.ended) return
  const what =
    session.ended === 'replaced' ? 'A newer session took the address over' : 'The session was ended'
  throw endedError(session.ended, `${what} while the call waited.${detail}`)
}

/** What a caller is told whose session is over. @param detail this case in a sentence */
export function endedError(end: SessionEnd, detail?: string): BrokerError {
  const code = end === 'replaced' ? 'session_replaced' : 'session_ended'
  return new BrokerError(code, detail === undefined ? {} : { detail })
}

function mailboxKey({ project, client_id }: Address): string {
  return `${project}/${client_id}`
}

import type { Identity } from '../auth/identity.ts'
import type { SessionHandle } from '../auth/session-handle.ts'
import { BrokerError } from '../core/errors.ts'
import type { Address, Announcement } from '../engine/values.ts'
import { systemTimer, type Timer } from './clock.ts'
import type { Following } from './following.ts'

/** What ends a wait: an announcement, or word that some may have been lost, so that the call has to look. */
export type Woken = Announcement | 'missed'

/** A call that waits for a message: a long poll, or a sender that waits for a reply. */
interface Waiter {
  /**
   * How a message fits this call. One call takes the message, `exact` before `any`. When none takes it, all
   * that answer `look` wake and read the mailbox: waking one is not enough, because a call that only peeks
   * takes nothing.
   */
  readonly fit: (announcement: Announcement) => 'exact' | 'any' | 'look' | undefined
  readonly settle: (woken: Woken | undefined) => void
}

/** The waiting calls, by mailbox. At most one of them takes an announced message. */
export class Waiters {
  #by_mailbox = new Map<string, { address: Address; waiters: Waiter[] }>()
  #count = 0
  #closed = false

  constructor(
    private readonly waiting_max: number,
    private readonly following: Following,
    private readonly timer: Timer = systemTimer,
  ) {}

  get count(): number {
    return this.#count
  }

  /**
   * Waits for an announcement that fits.
   *
   * @param session the caller's; the wait ends when the session ends, see `stillIn`
   * @param goes_on the call has waited before and found nothing: it keeps its place, past the bound too
   * @returns what woke it; undefined when the time is up, the caller has gone, its session has ended, or
   *   the broker shuts down
   * @throws BrokerError `too_many_waiting`
   */
  wait(
    address: Address,
    timeout_ms: number,
    signal: AbortSignal | undefined,
    fit: Waiter['fit'],
    session?: SessionHandle,
    goes_on = false,
  ): Promise<Woken | undefined> {
    if (this.#closed || signal?.aborted || session?.ended) return Promise.resolve(undefined)
    if (this.#count >= this.waiting_max && !goes_on)
      throw new BrokerError('too_many_waiting', { retry_after_ms: 1000 })
    const key = mailboxKey(address)
    return new Promise((resolve) => {
      const end = () => settle(undefined)
      const settle = (woken: Woken | undefined) => {
        stop()
        signal?.removeEventListener('abort', end)
        session?.signal.removeEventListener('abort', end)
        this.#remove(key, waiter)
        resolve(woken)
      }
      const waiter: Waiter = { fit, settle }
      const stop = this.timer(end, timeout_ms)
      signal?.addEventListener('abort', end)
      // Mail to the address is no longer for a session that has ended.
      session?.signal.addEventListener('abort', end)
      this.following.enter(address)
      const waiting = this.#by_mailbox.get(key)
      if (waiting) waiting.waiters.push(waiter)
      else this.#by_mailbox.set(key, { address, waiters: [waiter] })
      this.#count++
    })
  }

  /** The mailboxes that a call waits for. */
  *addresses(): Generator<Address> {
    for (const { address } of this.#by_mailbox.values()) yield address
  }

  /** Hands an announcement to the call that it fits best, or wakes all that look. */
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

  /** Announcements may have been lost: wakes every waiting call, or those that wait at one address. */
  missed(address?: Address): void {
    if (address) settleEach(this.#by_mailbox.get(mailboxKey(address))?.waiters, 'missed')
    else this.#settleAll('missed')
  }

  /** Ends every wait without a message. A wait that begins later ends at once. */
  close(): void {
    this.#closed = true
    this.#settleAll(undefined)
  }

  #settleAll(woken: Woken | undefined): void {
    for (const { waiters } of [...this.#by_mailbox.values()]) settleEach(waiters, woken)
  }

  #remove(key: string, waiter: Waiter): void {
    const waiting = this.#by_mailbox.get(key)
    const at = waiting?.waiters.indexOf(waiter) ?? -1
    if (!waiting || at === -1) return
    waiting.waiters.splice(at, 1)
    if (waiting.waiters.length === 0) this.#by_mailbox.delete(key)
    this.#count--
    this.following.leave(waiting.address)
  }
}

/** The session to wait in. The call keeps it: its caller may check in as another client meanwhile. */
export function sessionToWaitIn({ session }: Identity): SessionHandle | undefined {
  return session?.ended ? undefined : session
}

/** Each that is settled leaves the list. */
function settleEach(waiters: readonly Waiter[] = [], woken: Woken | undefined): void {
  for (const waiter of [...waiters]) waiter.settle(woken)
}

function mailboxKey({ project, client_id }: Address): string {
  return `${project}/${client_id}`
}

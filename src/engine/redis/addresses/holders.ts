import type { Limits } from '../../../core/limits.ts'
import { type Session, type SessionEnd, statusChange } from '../../../core/session.ts'
import type { EngineEvents } from '../../engine.ts'
import type { Address, CheckedIn, Checkin, Heard } from '../../values.ts'
import type { Lanes } from '../mailbox/lanes.ts'
import { carriedOut } from '../mailboxes.ts'
import { checkinCall, clientCall, endCall, heardCall, sweepCall } from '../sessions/calls.ts'
import type { AddressIndex } from './address-index.ts'
import { type DueIndex, nextLook } from './due-index.ts'

/** Addresses looked at to find one that can be forgotten for another. */
const LOOKED_AT_MAX = 64

export interface HoldersOptions {
  readonly lanes: Lanes
  readonly index: AddressIndex
  readonly due: DueIndex
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly newId: () => string
  readonly newEpoch: () => string
  readonly session: EngineEvents['session']
}

/** Who holds which address; which addresses there are. */
export class Holders {
  /** Where the search for an address that can be forgotten goes on, by project. */
  readonly #looked_at = new Map<string, string>()

  constructor(private readonly options: HoldersOptions) {}

  /** As {@link Engine.checkin}. */
  async checkin(checkin: Checkin): Promise<CheckedIn> {
    const { lanes, index, newId, newEpoch } = this.options
    const session_id = newId()
    let answer = await lanes.call(checkin, checkinCall(checkin, session_id, undefined))
    if (answer === 'unknown') {
      if (!(await this.takePlace(checkin))) return { outcome: 'too_many_clients' }
      answer = await lanes.call(checkin, checkinCall(checkin, session_id, newEpoch()))
    }
    if (answer === 'not_owner') return { outcome: answer }
    const done = carriedOut(answer)
    if (typeof done === 'string') throw new Error(`check-in: ${done}`)
    const { client, replaced, resumed, active, made, over } = done
    const session = client.session!
    await Promise.all([
      made && index.made(checkin),
      replaced && index.ended(replaced, session),
      !over && index.holds(session),
    ])
    if (replaced) this.options.session(replaced, 'replaced')
    // The call was made again, and somebody else was here in between.
    if (over) this.options.session(session, over)
    else if (active) this.options.session(session, 'active')
    this.#noteSilence(session)
    return { outcome: 'ok', session, resumed, mailbox: client.mailbox }
  }

  #noteSilence(session: Session): void {
    const { due, limits } = this.options
    due.note(session, statusChange(session, 'active', limits(session.project)))
  }

  /** As {@link Engine.end}. */
  async end(address: Address, session_id: string, end: SessionEnd): Promise<void> {
    const { lanes, index, due, limits, now } = this.options
    const answer = await lanes.call(address, endCall(address, session_id))
    if (typeof answer === 'string' || !answer.ended) return
    await index.ended(answer.ended)
    this.options.session(answer.ended, end)
    due.note(address, now() + limits(address.project).forget_seconds * 1000)
    await this.#indexAgain(address)
  }

  /** After something was taken out of the index: another instance may have put it there in the meantime. */
  async #indexAgain(address: Address): Promise<void> {
    const { lanes, index } = this.options
    const answer = await lanes.call(address, clientCall(address))
    if (typeof answer === 'string') return
    await index.made(address)
    if (answer.client.session) await index.holds(answer.client.session)
  }

  /** As {@link Engine.heard}. */
  async heard({ project, client_id, session_id, at_ms }: Heard): Promise<void> {
    const { lanes, index } = this.options
    const address = { project, client_id }
    // At once: a list that is asked for after this has it in its place.
    const [answer] = await Promise.all([
      lanes.call(address, heardCall(address, session_id, at_ms)),
      index.heard(address, at_ms),
    ])
    if (typeof answer === 'string' || !answer.active) return
    this.options.session(answer.active, 'active')
    this.#noteSilence(answer.active)
  }

  /** Does what is due at one address. */
  async sweep(address: Address): Promise<void> {
    const { lanes, due, limits, now } = this.options
    const answer = await lanes.call(address, sweepCall(address, limits(address.project)))
    if (typeof answer === 'string') {
      await Promise.all([due.done(address, Number.POSITIVE_INFINITY), this.options.index.gone(address)])
      await this.#indexAgain(address)
      return
    }
    if (answer.told && answer.session) this.options.session(answer.session, answer.told)
    if (answer.forgotten) await this.#forgotten(address, answer.session)
    await due.done(address, answer.forgotten ? Number.POSITIVE_INFINITY : nextLook(answer, now()))
    if (answer.forgotten) await this.#indexAgain(address)
  }

  async #forgotten(address: Address, session: Session | undefined): Promise<void> {
    const { index } = this.options
    await index.gone(address)
    if (!session) return
    await index.ended(session)
    this.options.session(session, 'closed')
  }

  /** Takes a place for an address that is to be made. @returns false: there is none */
  async takePlace(address: Address): Promise<boolean> {
    const { index, limits } = this.options
    const { clients_max } = limits(address.project)
    if (await index.admit(address, clients_max)) return true
    return (await this.#makePlace(address.project)) && index.admit(address, clients_max)
  }

  /** An address was made. It may have been made for nothing: then it is forgotten soon. */
  async made(address: Address): Promise<void> {
    await this.options.index.made(address)
    this.options.due.note(address, this.options.now())
  }

  /**
   * Forgets one unused address that nothing is stored for. Looks at a few addresses, at others each time.
   *
   * @returns whether it found one
   */
  async #makePlace(project: string): Promise<boolean> {
    const { index, lanes, limits } = this.options
    const { ids, next } = await index.byId(project, this.#looked_at.get(project), LOOKED_AT_MAX)
    if (next === undefined) this.#looked_at.delete(project)
    for (const client_id of ids) {
      const address = { project, client_id }
      const answer = await lanes.call(address, sweepCall(address, limits(project), true))
      if (next !== undefined) this.#looked_at.set(project, client_id)
      // An address that has a place and is not there was taken for nothing, or is about to be made.
      if (typeof answer === 'string' || !answer.forgotten) continue
      await this.#forgotten(address, answer.session)
      await this.#indexAgain(address)
      return true
    }
    return false
  }
}

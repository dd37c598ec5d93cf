import type { Cursor } from '../../core/cursor.ts'
import type { Acked, AckMode, Take } from '../../core/mailbox/entry.ts'
import type { Position } from '../../core/mailbox/position.ts'
import type { SessionEnd } from '../../core/session.ts'
import type { Engine } from '../engine.ts'
import type { Address, History, Kept, Opened, Read, Rewrite, Rewritten, Settle, Settled } from '../values.ts'
import { RedisFailed } from './connection/failures.ts'
import {
  type HistoryAnswer,
  historyCall,
  openCall,
  type Refused,
  readCall,
  rewriteCall,
  type SettleAnswer,
  settleCall,
} from './mailbox/calls.ts'
import type { Lanes } from './mailbox/lanes.ts'

export interface MailboxesOptions {
  readonly lanes: Lanes
  readonly newEpoch: () => string
  /** Told of what a call acknowledged. */
  readonly acknowledged: (address: Address, messages: readonly Acked[]) => void
  /**
   * Takes a place for an address that is to be made.
   *
   * @returns false: there is none
   */
  readonly takePlace: (address: Address) => Promise<boolean>
  /** An address was made. */
  readonly made: (address: Address) => Promise<void>
  /** Overwrites history where more is stored than may be: that of the address first. */
  readonly makeRoom: (address: Address) => Promise<unknown>
  /** By how many bytes all that is stored may grow, with history overwritten. */
  readonly room: (project: string) => Promise<number>
}

/** Bytes that one call reads of a history, of which some may be left out. */
const HISTORY_BYTES_MAX = 1024 * 1024

/** What readers ask of mailboxes. */
export class Mailboxes {
  constructor(private readonly options: MailboxesOptions) {}

  /** As {@link Engine.open}. */
  async open(
    address: Address,
    after: Cursor | undefined,
    ack: AckMode,
    session_id: string | undefined,
  ): Promise<Opened | SessionEnd> {
    const { lanes } = this.options
    let answer = await lanes.call(address, openCall(after, ack, session_id, undefined))
    if (answer === 'unknown') {
      if (!(await this.options.takePlace(address)))
        throw new Error('open: the address must be checked in first')
      answer = await lanes.call(address, openCall(after, ack, session_id, this.options.newEpoch()))
    }
    const opened = carriedOut(answer)
    if (typeof opened === 'string') return opened
    if (opened.made) await this.options.made(address)
    this.#acknowledged(address, opened.acknowledged)
    const { position, recovered, pending, changes } = opened
    return { position, recovered, pending, changes }
  }

  /** As {@link Engine.read}. */
  async read(address: Address, position: Position | undefined, take: Take): Promise<Read | SessionEnd> {
    const answer = await this.options.lanes.call(address, readCall(position, take))
    if (answer === 'unknown') return { ...NOTHING_READ, position, lapped: position !== undefined }
    const read = carriedOut(answer)
    if (typeof read === 'string') return read
    const { due, epoch, offset, pending, changes, lapped } = read
    const said = { due, position: read.position, epoch, offset, pending, changes, lapped }
    return take.ack === 'auto' ? this.#acknowledge(address, said) : said
  }

  /** Acknowledges what a read with `auto` has leased: its answer was not lost. */
  async #acknowledge(address: Address, read: Read): Promise<Read> {
    const of = read.due.filter(({ acknowledged }) => acknowledged)
    if (of.length === 0) return read
    const leases = { epoch: read.epoch, of }
    let done: SettleAnswer | SessionEnd
    try {
      done = carriedOut(await this.options.lanes.call(address, settleCall({ leases }, true)))
    } catch (error) {
      // They may be acknowledged, and then nobody else would be given them. If they are not, they come again.
      if (error instanceof RedisFailed && error.kind === 'unknown') return read
      throw error
    }
    // The session may have ended in between: then they come again.
    if (typeof done === 'string') return read
    this.#acknowledged(address, done.acknowledged)
    return { ...read, offset: done.offset, pending: done.pending }
  }

  /** As {@link Engine.settle}. */
  async settle(address: Address, settle: Settle): Promise<Settled | SessionEnd> {
    const answer = await this.options.lanes.call(address, settleCall(settle))
    if (answer === 'unknown') return { settled: 0, unknown: settle.message_ids ?? [] }
    const done = carriedOut(answer)
    if (typeof done === 'string') return done
    this.#acknowledged(address, done.acknowledged)
    return { settled: done.settled, unknown: done.unknown }
  }

  /** As {@link Engine.history}. */
  async history(
    address: Address,
    { after, since_ms = 0 }: Parameters<Engine['history']>[1],
    limit: number,
    bytes_max: number,
  ): Promise<History> {
    const deliveries: Kept[] = []
    let bytes = 0
    let from: Cursor | undefined = after
    let recovered: boolean | undefined
    let last: Cursor | undefined
    for (;;) {
      const page = await this.#historyPage(address, from, limit - deliveries.length)
      if (page === undefined)
        return { deliveries, recovered: recovered ?? after === undefined, epoch: '0', offset: 0, more: false }
      recovered ??= page.recovered
      for (const kept of page.deliveries) {
        const { message } = kept
        if (message.sent_ms < since_ms) continue
        if (deliveries.length === limit || (deliveries.length > 0 && bytes + message.bytes > bytes_max))
          return { deliveries, recovered, epoch: page.epoch, offset: last?.offset ?? page.offset, more: true }
        bytes += message.bytes
        deliveries.push(kept)
        last = { epoch: page.epoch, offset: kept.offset }
      }
      const { epoch, offset, more } = page
      last = { epoch, offset }
      if (!more || deliveries.length === limit) return { deliveries, recovered, epoch, offset, more }
      from = last
    }
  }

  async #historyPage(
    address: Address,
    after: Cursor | undefined,
    limit: number,
  ): Promise<HistoryAnswer | undefined> {
    const answer = await this.options.lanes.call(address, historyCall(after, limit, HISTORY_BYTES_MAX))
    if (answer === 'unknown') return undefined
    const page = carriedOut(answer)
    if (typeof page === 'string') throw new Error(`history: ${page}`)
    return page
  }

  /** As {@link Engine.rewrite}. */
  async rewrite(address: Address, rewrite: Rewrite): Promise<Rewritten> {
    const besides = rewrite.dry_run?.stored_bytes ?? 0
    const room = (await this.options.room(address.project)) - besides
    const answer = await this.options.lanes.call(address, rewriteCall(rewrite, room))
    if (answer === 'unknown') return { outcomes: rewrite.messages.map(() => 'gone'), bytes: 0 }
    const done = carriedOut(answer)
    if (typeof done === 'string') throw new Error(`rewrite: ${done}`)
    if (done.grown > 0) await this.options.makeRoom(address)
    return { outcomes: done.outcomes, bytes: done.bytes }
  }

  #acknowledged(address: Address, messages: readonly Acked[]): void {
    if (messages.length > 0) this.options.acknowledged(address, messages)
  }
}

const NOTHING_READ = { due: [], epoch: '0', offset: 0, pending: 0, changes: 0 }

/**
 * What a call answered that was carried out, or how the session ended.
 *
 * @throws Error for a call that was given up, or whose mailbox is gone
 */
export function carriedOut<T extends object>(answer: T | Refused): T | SessionEnd {
  if (typeof answer === 'object' || answer === 'replaced' || answer === 'closed') return answer
  throw new Error(
    answer === 'stale' ? 'the call was given up before it was carried out' : 'the mailbox is gone',
  )
}

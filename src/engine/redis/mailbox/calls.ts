import type { Cursor } from '../../../core/cursor.ts'
import type { Limits } from '../../../core/limits.ts'
import type { Acked, AckMode, Due, Take } from '../../../core/mailbox/entry.ts'
import type { PerRank, Position } from '../../../core/mailbox/position.ts'
import type { StoredMessage } from '../../../core/message.ts'
import type { SessionEnd } from '../../../core/session.ts'
import type {
  Appended,
  History,
  Kept,
  Opened,
  Read,
  Rewrite,
  RewriteOutcome,
  Rewritten,
  Settle,
  Settled,
} from '../../values.ts'
import type { Script } from '../script.ts'
import { APPEND, HISTORY, OPEN, OVERWRITE, READ, REWRITE, SETTLE } from './scripts.ts'
import { type Mark, messageHead, messageText, readMessage } from './text.ts'

/** One call of a script of a mailbox, and how its answer is read. */
export interface MailboxCall<T> {
  readonly script: Script
  /** What follows {@link contextArgs}. */
  readonly args: readonly (string | number)[]
  read(answer: unknown): T
}

/**
 * Why a call did nothing. `unknown`: there is no mailbox under the address, and the call makes none. `stale`:
 * a later call of this instance has been carried out, so nobody waits for this one.
 */
export type Refused = 'unknown' | 'stale' | SessionEnd

/** What every script says of its mailbox besides its answer. */
export interface Noted {
  /** When the mailbox next has something to do, in milliseconds since the epoch; Infinity: never. */
  readonly due_ms: number
  /** How many messages have died here and are not buried yet. */
  readonly dying: number
  /** What this call announced, for `readAnnouncements`; empty for nothing, and for a call made again. */
  readonly published: string
  /** Bytes by which what is stored has grown; negative when it has shrunk. */
  readonly grown: number
}

/** What an answer begins with, and what follows. */
export function noted(answer: readonly unknown[]): [Noted, unknown[]] {
  const [due, dying, published, grown, ...rest] = answer
  return [
    { due_ms: dueMs(due), dying: Number(dying), published: String(published), grown: Number(grown) },
    rest,
  ]
}

/** What holds for one call. */
export interface CallContext {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Names the history of the server that was connected to: another one may have lost what was written. */
  readonly generation: string
  readonly limits: Limits
  /** `PUBLISH` or `SPUBLISH`, and the channel. */
  readonly publish: string
  /** Names this process. */
  readonly instance: string
  /** Rises with each call of this instance for the mailbox; the same for a call that is made again. */
  readonly number: number
}

export function contextArgs({ now, generation, limits, publish, instance, number }: CallContext): string[] {
  const { mailbox_messages_max, mailbox_bytes_max, history_messages_max, attempts_max } = limits
  const { lease_seconds, mailbox_overflow } = limits
  const bounds = `${mailbox_messages_max} ${mailbox_bytes_max} ${history_messages_max} ${attempts_max}`
  const drops_oldest = mailbox_overflow === 'drop_oldest' ? 1 : 0
  return [
    `${now} ${generation} ${bounds} ${lease_seconds * 1000} ${drops_oldest}`,
    publish,
    `${instance} ${number}`,
  ]
}

/** What Lua writes for a time that never comes. */
const NEVER = 99_999_999_999_999

export function dueMs(value: unknown): number {
  const ms = Number(value)
  return ms >= NEVER ? Number.POSITIVE_INFINITY : ms
}

export interface AppendAnswer extends Noted {
  /** The address was made by this call. */
  readonly made: boolean
  /** A client has checked in here. */
  readonly owned: boolean
  /** The session that holds the address, and when that was last heard, in milliseconds since the epoch. */
  readonly session_id: string | undefined
  readonly heard_ms: number
  /** One for each message. */
  readonly outcomes: readonly ('stored' | 'full' | 'too_large')[]
}

const OUTCOMES = ['stored', 'full', 'too_large'] as const satisfies readonly Appended['outcome'][]

/** A message that is to be stored. */
export interface Appending {
  readonly message: StoredMessage
  /** Deliveries so far, of letters that are requeued. */
  readonly attempts: number
  readonly mark?: Mark | undefined
}

/**
 * Stores messages in the order in which they are given.
 *
 * @param epoch of the mailbox, if this call is to make it
 */
export function appendCall(
  messages: readonly Appending[],
  epoch: string | undefined,
): MailboxCall<AppendAnswer | Refused> {
  const args: string[] = [epoch ?? '']
  for (const { message, attempts, mark } of messages)
    args.push(messageHead(message, attempts, mark), messageText(message))
  return {
    script: APPEND,
    args,
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [made, owned, session, heard, ...outcomes]] = noted(answer)
      return {
        ...all,
        made: made === 1,
        owned: owned === 1,
        session_id: session === '' ? undefined : String(session),
        heard_ms: Number(heard),
        outcomes: outcomes.map((digit) => OUTCOMES[Number(digit)]!),
      }
    },
  }
}

export interface OpenAnswer extends Noted, Opened {
  readonly made: boolean
  readonly acknowledged: readonly Acked[]
}

/** @param epoch of the mailbox, if this call is to make it */
export function openCall(
  after: Cursor | undefined,
  ack: AckMode,
  session_id: string | undefined,
  epoch: string | undefined,
): MailboxCall<OpenAnswer | Refused> {
  return {
    script: OPEN,
    args: [epoch ?? '', session_id ?? '', after?.epoch ?? '', after?.offset ?? 0, ack],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [made, epoch_now, from, last, lost, recovered, pending, changes, ...acked]] = noted(answer)
      const at = Number(from)
      const position: Position = {
        epoch: String(epoch_now),
        sent: [at, at, at, at],
        resumed_through: Number(last),
        unacked_only: after === undefined,
        lost_through: Number(lost),
      }
      return {
        ...all,
        made: made === 1,
        position,
        recovered: recovered === 1,
        pending: Number(pending),
        changes: Number(changes),
        acknowledged: acked.map(readAcked),
      }
    },
  }
}

export interface ReadAnswer extends Noted, Read {}

/**
 * Reads under a lease, or peeks. A read with `auto` leases, too: whoever makes it acknowledges what
 * `acknowledged` says once it has the answer.
 */
export function readCall(position: Position | undefined, take: Take): MailboxCall<ReadAnswer | Refused> {
  const { limit, bytes_max, ack, session_id } = take
  const walk = position && [
    ...position.sent,
    position.resumed_through,
    position.unacked_only ? 1 : 0,
    position.lost_through,
  ]
  return {
    script: READ,
    args: [
      session_id ?? '',
      ack === 'none' ? 'none' : 'manual',
      limit,
      bytes_max,
      position?.epoch ?? '',
      walk?.join(' ') ?? '',
    ],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [epoch, offset, pending, changes, lapped, s0, s1, s2, s3, ...flat]] = noted(answer)
      const due: Due[] = []
      for (let i = 0; i < flat.length; i += 5)
        due.push({
          offset: Number(flat[i]),
          message: readMessage(String(flat[i + 4])),
          attempt: Number(flat[i + 1]),
          safe_offset: Number(flat[i + 2]),
          acknowledged: ack === 'auto' && flat[i + 3] === 1,
        })
      const sent: PerRank = [Number(s0), Number(s1), Number(s2), Number(s3)]
      return {
        ...all,
        due,
        epoch: String(epoch),
        offset: Number(offset),
        pending: Number(pending),
        changes: Number(changes),
        lapped: lapped === 1,
        position: position && { ...position, sent: lapped === 1 ? position.sent : sent },
      }
    },
  }
}

export interface SettleAnswer extends Noted, Settled {
  /** As in {@link MailboxState}, after it; 0 unless `reads`. */
  readonly offset: number
  readonly pending: number
  readonly acknowledged: readonly Acked[]
}

/** @param reads these are the leases of a read that acknowledges what it has answered */
export function settleCall(settle: Settle, reads = false): MailboxCall<SettleAnswer | Refused> {
  const { session_id, leases, message_ids, failed_delay_ms } = settle
  const kind = reads ? 'read' : leases ? 'leases' : message_ids ? 'ids' : 'all'
  const what = leases ? leases.of.flatMap(({ offset, attempt }) => [offset, attempt]) : (message_ids ?? [])
  return {
    script: SETTLE,
    args: [session_id ?? '', failed_delay_ms ?? 'ack', kind, leases?.epoch ?? '', ...what],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [offset, pending, settled, unknown, ...names]] = noted(answer)
      const unknowns = Number(unknown)
      return {
        ...all,
        offset: Number(offset),
        pending: Number(pending),
        settled: Number(settled),
        unknown: names.slice(0, unknowns).map(String),
        acknowledged: names.slice(unknowns).map(readAcked),
      }
    },
  }
}

export interface HistoryAnswer extends Noted, History {}

export function historyCall(
  after: Cursor | undefined,
  limit: number,
  bytes_max: number,
): MailboxCall<HistoryAnswer | Refused> {
  return {
    script: HISTORY,
    args: [after?.epoch ?? '', after?.offset ?? 0, limit, bytes_max],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [epoch, offset, recovered, more, ...flat]] = noted(answer)
      const deliveries: Kept[] = []
      for (let i = 0; i < flat.length; i += 4)
        deliveries.push({
          offset: Number(flat[i]),
          attempt: Number(flat[i + 1]),
          acknowledged: flat[i + 2] === 1,
          message: readMessage(String(flat[i + 3])),
        })
      return {
        ...all,
        deliveries,
        epoch: String(epoch),
        offset: Number(offset),
        recovered: recovered === 1,
        more: more === 1,
      }
    },
  }
}

export interface RewriteAnswer extends Noted, Rewritten {}

const REWRITES: readonly RewriteOutcome[] = ['rewritten', 'delivered', 'acknowledged', 'no_room', 'gone']

/** @param room by how many bytes all that is stored may grow; may be Infinity */
export function rewriteCall(
  { epoch, messages, dry_run }: Rewrite,
  room: number,
): MailboxCall<RewriteAnswer | Refused> {
  const args: (string | number)[] = [
    epoch,
    dry_run ? 1 : 0,
    dry_run?.mailbox_bytes ?? 0,
    Math.min(room, Number.MAX_SAFE_INTEGER),
  ]
  for (const { offset, before, after } of messages) args.push(offset, after.length, before, after)
  return {
    script: REWRITE,
    args,
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [bytes, ...digits]] = noted(answer)
      return { ...all, bytes: Number(bytes), outcomes: digits.map((digit) => REWRITES[Number(digit)]!) }
    },
  }
}

/** Overwrites the oldest history. @param bytes that are wanted */
export function overwriteCall(bytes: number): MailboxCall<Noted | Refused> {
  return {
    script: OVERWRITE,
    args: [bytes],
    read: (answer) => (Array.isArray(answer) ? noted(answer)[0] : (answer as Refused)),
  }
}

function readAcked(text: unknown): Acked {
  const [message_id = '', sender_id = ''] = String(text).split(' ')
  return { message_id, sender_id }
}

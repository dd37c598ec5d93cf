import type { Limits } from '../../../core/limits.ts'
import type { MailboxState } from '../../../core/mailbox/state.ts'
import {
  type Capabilities,
  type Session,
  type SessionEnd,
  type SessionStatus,
  sessionStatus,
} from '../../../core/session.ts'
import type { Address, Checkin, ClientState } from '../../values.ts'
import { dueMs, type MailboxCall, type Noted, noted, type Refused } from '../mailbox/calls.ts'
import { CHECKIN, CLIENT, END, HEARD, SWEEP } from './scripts.ts'

/** An address as it is stored: who holds it, and what its mailbox has. */
export interface StoredClient {
  readonly session: Session | undefined
  /** A client has checked in here. */
  readonly owned: boolean
  /** The key that first did; undefined for none. */
  readonly owner: string | undefined
  readonly mailbox: MailboxState
  /** Acknowledged messages that are kept. */
  readonly history: number
  /** Bytes of its messages, history included. */
  readonly bytes: number
  readonly history_bytes: number
}

export interface CheckinAnswer extends Noted {
  /** The address is new. */
  readonly made: boolean
  readonly resumed: boolean
  /** It is told active by this. */
  readonly active: boolean
  readonly replaced: Session | undefined
  /** The session has ended since: it is answered as it began. */
  readonly over: SessionEnd | undefined
  readonly client: StoredClient
}

/**
 * @param session_id of a session that begins
 * @param epoch of the mailbox, if this call is to make it
 */
export function checkinCall(
  checkin: Checkin,
  session_id: string,
  epoch: string | undefined,
): MailboxCall<CheckinAnswer | 'not_owner' | Refused> {
  const { resume, join, key_id, name, capabilities } = checkin
  return {
    script: CHECKIN,
    args: [
      epoch ?? '',
      resume ?? '',
      join ?? '',
      key_id === undefined ? '' : `=${key_id}`,
      session_id,
      name === undefined ? '' : JSON.stringify(name),
      capabilities === undefined ? '' : JSON.stringify(capabilities),
    ],
    read(answer) {
      if (!Array.isArray(answer)) return answer as 'not_owner' | Refused
      const [all, [made, resumed, active, replaced, over, ...client]] = noted(answer)
      return {
        ...all,
        made: made === 1,
        resumed: resumed === 1,
        active: active === 1,
        replaced: readSession(String(replaced), checkin),
        over: over === '' ? undefined : (over as SessionEnd),
        client: readClient(client, checkin),
      }
    },
  }
}

export interface EndAnswer extends Noted {
  readonly ended: Session | undefined
}

export function endCall(address: Address, session_id: string): MailboxCall<EndAnswer | Refused> {
  return {
    script: END,
    args: [session_id],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [ended]] = noted(answer)
      return { ...all, ended: readSession(String(ended), address) }
    },
  }
}

export interface ClientAnswer extends Noted {
  readonly client: StoredClient
}

export function clientCall(address: Address): MailboxCall<ClientAnswer | Refused> {
  return {
    script: CLIENT,
    args: [],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, client] = noted(answer)
      return { ...all, client: readClient(client, address) }
    },
  }
}

export interface HeardAnswer extends Noted {
  /** The session, if it is told active by this. */
  readonly active: Session | undefined
}

export function heardCall(
  address: Address,
  session_id: string,
  at_ms: number,
): MailboxCall<HeardAnswer | Refused> {
  return {
    script: HEARD,
    args: [session_id, at_ms],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [active]] = noted(answer)
      return { ...all, active: readSession(String(active), address) }
    },
  }
}

export interface SweepAnswer extends Noted {
  /** The status that is told by this. */
  readonly told: SessionStatus | undefined
  /** The address is forgotten: its session, if it had one, has ended. */
  readonly forgotten: boolean
  readonly session: Session | undefined
}

/** @param makes_place has an address forgotten that nothing is stored for and whose client is absent */
export function sweepCall(
  address: Address,
  limits: Limits,
  makes_place = false,
): MailboxCall<SweepAnswer | Refused> {
  const { stale_seconds, disconnected_seconds, forget_seconds } = limits
  return {
    script: SWEEP,
    args: [stale_seconds * 1000, disconnected_seconds * 1000, forget_seconds * 1000, makes_place ? 1 : 0],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [again, status, forgotten, session]] = noted(answer)
      return {
        ...all,
        due_ms: Math.min(all.due_ms, dueMs(again)),
        told: status === '' ? undefined : (status as SessionStatus),
        forgotten: forgotten === 1,
        session: readSession(String(session), address),
      }
    },
  }
}

/** What the engine answers of an address. */
export function clientState(
  client_id: string,
  { session, owned, owner, mailbox }: StoredClient,
  now: number,
  limits: Limits,
): ClientState {
  const status = session ? sessionStatus(session, now, limits) : owned ? 'disconnected' : 'unknown'
  return { client_id, status, session, owner, ...mailbox }
}

/** A session as `session.lua` writes it; undefined for an empty text. */
function readSession(text: string, { project, client_id }: Address): Session | undefined {
  if (text === '') return undefined
  const [session_id = '', heard, created, sender_only, name = '', capabilities = '{}'] = text.split('\n')
  return {
    session_id,
    client_id,
    project,
    name: name === '' ? undefined : JSON.parse(name),
    capabilities: JSON.parse(capabilities) as Capabilities,
    created_ms: Number(created),
    last_seen_ms: Number(heard),
    sender_only: sender_only === '1',
  }
}

function readClient(values: readonly unknown[], address: Address): StoredClient {
  const [session, owner, epoch, offset, last, pending, leased, changes, history, bytes, history_bytes] =
    values
  const key = String(owner)
  return {
    session: readSession(String(session), address),
    owned: key !== '',
    owner: key.length > 1 ? key.slice(2) : undefined,
    mailbox: {
      epoch: String(epoch),
      offset: Number(offset),
      last: Number(last),
      pending: Number(pending),
      leased: Number(leased),
      changes: Number(changes),
    },
    history: Number(history),
    bytes: Number(bytes) + Number(history_bytes),
    history_bytes: Number(history_bytes),
  }
}

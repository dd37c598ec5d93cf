import type { Limits } from './limits.ts'
import { rangesMeet } from './protocol/versions.ts'

export const SESSION_STATUSES = ['active', 'stale', 'disconnected'] as const
export type SessionStatus = (typeof SESSION_STATUSES)[number]
/**
 * A recipient's status when a message is stored for it; `unknown`: no client has checked in under the
 * address.
 */
export type RecipientStatus = SessionStatus | 'unknown'

/** What a client says it can do. */
export interface Capabilities {
  /** Protocol name to the semver range it speaks. */
  protocols?: Record<string, string>
  features?: string[]
}

/**
 * One client's hold on its address, at one moment. `last_seen_ms` is its last sign of life: a frame, a call,
 * or for as long as they last an open connection and a waiting call. The status follows from it, both times
 * counted from there:
 *
 *   active ─ stale_seconds → stale ─ disconnected_seconds → disconnected
 *
 * A sign of life makes the session active again. A session that has ended, replaced or closed, stays so.
 */
export interface Session {
  readonly session_id: string
  readonly client_id: string
  readonly project: string
  readonly name: string | undefined
  readonly capabilities: Capabilities
  /** Milliseconds since the epoch, as `last_seen_ms`. */
  readonly created_ms: number
  readonly last_seen_ms: number
  /** Its client was only ever named as a sender: it has not checked in, nor read its mail. */
  readonly sender_only: boolean
}

/** Which session is meant. */
export type SessionKey = Pick<Session, 'project' | 'client_id' | 'session_id'>

/**
 * `replaced`: a newer session took the address over. `closed`: a caller ended it, or its address was
 * forgotten.
 */
export type SessionEnd = 'replaced' | 'closed'

/** The status at `now`, in milliseconds since the epoch, of a session that has not ended. */
export function sessionStatus(
  { last_seen_ms }: Pick<Session, 'last_seen_ms'>,
  now: number,
  limits: Limits,
): SessionStatus {
  const silent_ms = now - last_seen_ms
  if (silent_ms < limits.stale_seconds * 1000) return 'active'
  return silent_ms < limits.disconnected_seconds * 1000 ? 'stale' : 'disconnected'
}

/** When `status` changes without a sign of life, in milliseconds since the epoch; Infinity: never. */
export function statusChange(session: Session, status: SessionStatus, limits: Limits): number {
  if (status === 'disconnected') return Number.POSITIVE_INFINITY
  return (
    session.last_seen_ms + (status === 'active' ? limits.stale_seconds : limits.disconnected_seconds) * 1000
  )
}

/** Matches clients that offer every feature and every protocol listed. */
export interface CapabilityFilter {
  features?: string[]
  /** Names, or the semver range wanted of each: a client matches whose own range meets it. */
  protocols?: string[] | Record<string, string>
}

const NOTHING: readonly string[] = []

export function matchesCapabilities(capabilities: Capabilities, filter: CapabilityFilter): boolean {
  const { features, protocols } = capabilities
  for (const feature of filter.features ?? NOTHING) if (!features?.includes(feature)) return false
  const wanted = filter.protocols
  if (wanted === undefined) return true
  if (Array.isArray(wanted)) return wanted.every((name) => protocols && Object.hasOwn(protocols, name))
  return Object.entries(wanted).every(
    ([name, range]) => protocols && Object.hasOwn(protocols, name) && rangesMeet(protocols[name]!, range),
  )
}

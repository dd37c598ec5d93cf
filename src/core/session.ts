import type { Limits } from './limits.ts'

export const SESSION_STATUSES = ['active', 'stale', 'disconnected'] as const
export type SessionStatus = (typeof SESSION_STATUSES)[number]
/** How a recipient stood when a message was stored for it; `unknown`: nobody has checked in under the address. */
export type RecipientStatus = SessionStatus | 'unknown'

/** What a client says it can do. */
export interface Capabilities {
  /** Protocol name to the semver range it speaks. */
  protocols?: Record<string, string>
  features?: string[]
}

/**
 * One client's lease on its address. `last_seen_ms` moves with every frame or call, and an open connection or a call that
 * waits counts as heard now; the status follows from it:
 *
 *   active ─ stale_seconds → stale ─ disconnected_seconds → disconnected
 *
 * and any frame or call makes it active again, until the session is ended: replaced by a newer one, or closed.
 */
export interface Session {
  readonly session_id: string
  readonly client_id: string
  readonly project: string
  name: string | undefined
  capabilities: Capabilities
  readonly created_ms: number
  last_seen_ms: number
  /** Begun for an address that was only ever named as a sender, and never checked in or read its mail. */
  sender_only: boolean
  /** When it was last put in its place among the others, in milliseconds since the epoch. */
  placed_ms: number
  /** The status last told of, so that a change is told once. */
  told: SessionStatus
  /** Why it is over; undefined while it holds the address. */
  ended: SessionEnd | undefined
}

/** `replaced`: a newer session took the address over. `closed`: its owner ended it. */
export type SessionEnd = 'replaced' | 'closed'

/** The status at `now`, in milliseconds since the epoch. */
export function sessionStatus(session: Session, now: number, limits: Limits): SessionStatus {
  if (session.ended !== undefined) return 'disconnected'
  const silent_ms = now - session.last_seen_ms
  if (silent_ms < limits.stale_seconds * 1000) return 'active'
  return silent_ms < limits.disconnected_seconds * 1000 ? 'stale' : 'disconnected'
}

/** When the status next changes if nothing is heard, in milliseconds since the epoch; Infinity when it will not. */
export function statusChange(session: Session, status: SessionStatus, limits: Limits): number {
  if (session.ended !== undefined || status === 'disconnected') return Number.POSITIVE_INFINITY
  return (
    session.last_seen_ms + (status === 'active' ? limits.stale_seconds : limits.disconnected_seconds) * 1000
  )
}

/** A capability filter: every feature and every protocol name listed must be offered. */
export interface CapabilityFilter {
  features?: string[]
  protocols?: string[]
}

const NOTHING: readonly string[] = []

export function matchesCapabilities(capabilities: Capabilities, filter: CapabilityFilter): boolean {
  const { features, protocols } = capabilities
  for (const feature of filter.features ?? NOTHING) if (!features?.includes(feature)) return false
  for (const name of filter.protocols ?? NOTHING)
    if (!protocols || !Object.hasOwn(protocols, name)) return false
  return true
}

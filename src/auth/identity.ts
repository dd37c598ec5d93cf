import { timingSafeEqual } from 'node:crypto'
import { BrokerError } from '../core/errors.ts'
import type { ClientState } from '../engine/values.ts'
import type { SessionHandle } from './session-handle.ts'

/**
 * What a key may do: `read` lists and mailboxes, acknowledging included; `write` messages and sessions. No
 * command needs `admin` yet.
 */
export type Scope = 'read' | 'write' | 'admin'

export const DEFAULT_PROJECT = 'default'

/** Who a caller is. One for each connection or MCP session, or for a single stateless request. */
export interface Identity {
  readonly project: string
  /** Undefined on a broker without keys. */
  readonly key_id: string | undefined
  readonly scopes: ReadonlySet<Scope>
  /** The session that the caller has checked in; undefined before that, and for stateless callers. */
  session: SessionHandle | undefined
  /** Whether a check-in lasts beyond its call: doors set this on a connection and in an MCP session. */
  keeps_session?: boolean
}

/**
 * The address that a caller has without naming one: that of its session. Only this function decides it. A
 * stateless caller has no such address, because no key is bound to an address.
 */
export function ownClientId({ session }: Identity): string | undefined {
  return session && !session.ended ? session.client_id : undefined
}

/** Whether a caller with this key may read the mailbox of a client: it is the owner, or there is none. */
export function ownedBy({ status, owner }: ClientState, key_id: string | undefined): boolean {
  return status === 'unknown' || owner === key_id
}

/**
 * Refuses a caller whose key lacks a scope.
 *
 * @param what names what needs the scope; it begins the error's sentence
 * @throws BrokerError `forbidden`
 */
export function requireScope(identity: Identity, scope: Scope, what: string): void {
  if (identity.scopes === ALL_SCOPES || identity.scopes.has(scope)) return
  throw new BrokerError('forbidden', { detail: `${what} needs a key with the scope "${scope}".` })
}

/** What a request says about its caller. */
export interface Credentials {
  /** The key, from `Authorization: Bearer`, `X-API-Key` or a WebSocket subprotocol. */
  readonly key: string | undefined
  /** The project asked for, from `X-Project-ID` or `?project=`. */
  readonly project: string | undefined
}

/** The caller of a request that needs no key. It has no scopes. */
export const ANYBODY: Identity = {
  project: DEFAULT_PROJECT,
  key_id: undefined,
  scopes: new Set(),
  session: undefined,
}

const ALL_SCOPES: ReadonlySet<Scope> = new Set(['read', 'write', 'admin'])

/** The broker's own identity in a project, for what it does by its settings. */
export function operator(project: string): Identity {
  return { project, key_id: undefined, scopes: ALL_SCOPES, session: undefined }
}

/** Turns credentials into an identity. Every caller needs the operator's key, if one is set. */
export class Keys {
  readonly #admin_key: Buffer | undefined

  constructor(admin_key: string | undefined) {
    this.#admin_key = admin_key === undefined ? undefined : digest(admin_key)
  }

  get required(): boolean {
    return this.#admin_key !== undefined
  }

  /**
   * @param keeps_session whether the caller's door keeps a check-in for later calls
   * @throws BrokerError `unauthenticated` without a valid key, `forbidden` for a project that it may not use
   */
  identify(said: Credentials, keeps_session = false): Identity {
    // Without an operator's key, a caller's key is ignored.
    if (this.#admin_key && !isKey(said.key, this.#admin_key)) throw new BrokerError('unauthenticated')
    const { project } = said
    if (project !== undefined && project !== DEFAULT_PROJECT)
      throw new BrokerError('forbidden', {
        detail: `There is no project of that name within reach of this caller.`,
        next: `Leave the project out, or name "${DEFAULT_PROJECT}".`,
      })
    return {
      project: DEFAULT_PROJECT,
      key_id: this.#admin_key ? 'admin' : undefined,
      scopes: ALL_SCOPES,
      session: undefined,
      keeps_session,
    }
  }
}

function isKey(said: string | undefined, key: Buffer): boolean {
  return said !== undefined && timingSafeEqual(digest(said), key)
}

/** Keys are compared by digest, so that a comparison takes the same time for any length. */
function digest(key: string): Buffer {
  return new Bun.CryptoHasher('sha256').update(key).digest()
}

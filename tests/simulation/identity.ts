import type { Identity } from '../../src/auth/identity.ts'

/** A caller without keys who has not checked in yet. */
export function newIdentity(): Identity {
  return { project: 'default', key_id: undefined, scopes: new Set(['read', 'write']), session: undefined }
}

import { canonicalJson } from '../core/canonical.ts'
import { type Content, PRIORITIES, RANK_DEFAULT } from '../core/message.ts'
import type { CapabilityFilter } from '../core/session.ts'
import type { IdempotencyKey } from '../engine/values.ts'

/** Where a caller asked to send: to one recipient, or to all that match a filter. */
export type Addressed = { readonly recipient_id: string } | { readonly capability_filter: CapabilityFilter }

/**
 * An idempotency key with a digest of everything the caller asked for, defaults filled in. Two calls with
 * the same key are the same send only if they ask for the same. The order of JSON members does not matter.
 *
 * @param ttl_default seconds
 */
export function idempotencyKey(
  key: string,
  { message, payload, headers, priority, ttl_seconds, in_reply_to, protocol_name, protocol_version }: Content,
  to: Addressed,
  ttl_default: number,
): IdempotencyKey {
  const asked = {
    to,
    payload: message ?? payload,
    headers: headers ?? {},
    priority: priority ?? PRIORITIES[RANK_DEFAULT],
    ttl_seconds: ttl_seconds ?? ttl_default,
    in_reply_to,
    protocol_name,
    protocol_version,
  }
  return {
    key,
    digest: new Bun.CryptoHasher('sha256').update(canonicalJson(asked)).digest('base64'),
  }
}

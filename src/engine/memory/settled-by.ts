import type { Entry } from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Settle } from '../values.ts'

/**
 * The entries that a {@link Settle} means. Of the ids that mean no entry, `acknowledged` has those that were
 * acknowledged before, and `unknown` the others.
 */
export function settledBy(
  { entries, epoch, leased }: Mailbox,
  { message_ids, leases }: Settle,
): { entries: readonly Entry[]; acknowledged: readonly string[]; unknown: string[] } {
  if (leases) {
    const of = leases.epoch === epoch ? entries.of(leases.of) : []
    return { entries: of, acknowledged: [], unknown: [] }
  }
  if (message_ids?.length === 1) {
    const entry = entries.find(message_ids[0]!)
    return { entries: entry ? [entry] : [], acknowledged: [], unknown: entry ? [] : [...message_ids] }
  }
  if (message_ids) {
    const { live, acknowledged, unknown } = entries.findAll(new Set(message_ids))
    return { entries: live, acknowledged, unknown }
  }
  return { entries: leased > 0 ? entries.leased() : [], acknowledged: [], unknown: [] }
}

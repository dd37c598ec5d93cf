import type { Limits } from '../../core/limits.ts'
import { ACKED, type Entry } from '../../core/mailbox/entry.ts'
import type { NewJson, Rewrite, RewriteOutcome, Rewritten } from '../values.ts'
import type { Client } from './client.ts'
import type { Clients } from './clients.ts'

/** Carries out a {@link Rewrite} in the mailbox of a client, or only answers what would come of it. */
export function rewritten(
  client: Client,
  clients: Clients,
  { epoch, messages, dry_run }: Rewrite,
  limits: Limits,
): Rewritten {
  const { mailbox } = client
  const room = engineRoom(clients, messages, limits, dry_run?.stored_bytes ?? 0)
  let bytes = 0
  const outcomes = messages.map((change): RewriteOutcome => {
    const entry = epoch === mailbox.epoch ? mailbox.entries.at(change.offset) : undefined
    const settled = outcomeSoFar(entry, change)
    if (!entry || settled) return settled ?? 'gone'
    const message = { ...entry.message, json: change.after, bytes: change.after.length }
    const by = message.bytes - entry.message.bytes
    // What is staged has its room already.
    const reserved = (client.staged?.bytes ?? 0) + (dry_run ? dry_run.mailbox_bytes + bytes : 0)
    if (by > 0 && (bytes + by > room || mailbox.takes(0, reserved + by, limits) !== true)) return 'no_room'
    bytes += by
    if (dry_run) return 'rewritten'
    if (by > 0 && clients.lacks(by, limits)) clients.makeRoom(by, client, limits)
    mailbox.rewrite(entry, message, limits)
    return 'rewritten'
  })
  return { outcomes, bytes }
}

/**
 * By how many bytes the engine may grow in this call, all history overwritten; Infinity if there is room for
 * all of it anyway.
 *
 * @param more counts as stored, too
 */
function engineRoom(clients: Clients, messages: readonly NewJson[], limits: Limits, more: number): number {
  let growth = 0
  for (const { before, after } of messages) growth += Math.max(0, after.length - before.length)
  if (!clients.lacks(more + growth, limits)) return Number.POSITIVE_INFINITY
  return limits.stored_bytes_max - clients.bytesWithoutHistory() - more
}

/** What came of new JSON for a message that cannot be rewritten now; undefined: it can be. */
function outcomeSoFar(entry: Entry | undefined, { before, after }: NewJson): RewriteOutcome | undefined {
  if (!entry) return 'gone'
  const { json } = entry.message
  if (json === after) return 'rewritten'
  if (json !== before) return 'gone'
  if (entry.state === ACKED) return 'acknowledged'
  // What was never delivered is pending.
  return entry.attempts === 0 ? undefined : 'delivered'
}

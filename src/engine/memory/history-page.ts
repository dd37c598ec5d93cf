import { ACKED } from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { History, Kept } from '../values.ts'

/**
 * One page of what a mailbox retains, in rising order of offset.
 *
 * @param since_ms leaves out messages sent before, in milliseconds since the epoch
 * @param bytes_max stops before the page grows past this, but never before its first message
 */
export function historyPage(
  mailbox: Mailbox,
  {
    after,
    since_ms = 0,
  }: { after?: { epoch: string; offset: number } | undefined; since_ms?: number | undefined },
  limit: number,
  bytes_max: number,
): History {
  const { epoch, last } = mailbox
  const recovered = after === undefined || mailbox.covers(after.epoch, after.offset)
  let offset = recovered ? (after?.offset ?? 0) : mailbox.evicted_through
  const deliveries: Kept[] = []
  let bytes = 0
  for (const { offset: at, message, attempts: attempt, state } of mailbox.entries.after(offset)) {
    if (message.sent_ms >= since_ms) {
      bytes += message.bytes
      if (deliveries.length === limit || (deliveries.length > 0 && bytes > bytes_max))
        return { deliveries, recovered, epoch, offset, more: true }
      deliveries.push({ offset: at, message, attempt, acknowledged: state === ACKED })
    }
    offset = at
  }
  return { deliveries, recovered, epoch, offset: last, more: false }
}

import { post } from '../clients/events.ts'
import { isAvailable, NOT_AVAILABLE } from '../keeping.ts'
import { receiptBroker } from '../peers/receipts.ts'
import { measureReceipts } from '../receipts.ts'
import type { Scenario } from '../scenario.ts'
import { receiptRow } from './receipts.ts'

/** 350 bytes of log for each message: three times what the log may take besides what lives in it. */
const PAIRS = { pairs: 50, rate: 10_000, batch: 10, warm_seconds: 4, seconds: 60 }
const SHORT_SECONDS = 6
/** The oldest message lives on, in a mailbox that nobody reads. */
const OLD = { sender_id: 'writer', recipient_id: 'nobody', ttl_seconds: 30 * 24 * 3600, payload: 'old' }

export const logSize: Scenario = {
  name: 'log-size',
  summary:
    '50 pairs, 10,000 messages/s on disk for a minute, and one old message that nobody reads: the log stays small',
  in_short: false,
  async run(run) {
    if (!isAvailable('normal'))
      return { rows: [{ what: 'normal', lost: 0, twice: 0, budgets: [], note: NOT_AVAILABLE }] }
    const seconds = run.short ? SHORT_SECONDS : PAIRS.seconds
    run.say(`${PAIRS.warm_seconds + seconds} s`)
    const broker = receiptBroker('normal')
    const peer = {
      ...broker,
      async start() {
        const server = await broker.start()
        if (server) await post(`${server.url}/v1/messages`, JSON.stringify(OLD))
        return server
      },
      // The old one stays.
      unacknowledged: async (server: Parameters<typeof broker.unacknowledged>[0]) =>
        (await broker.unacknowledged(server)) - 1,
    }
    const measured = await measureReceipts(peer, { ...PAIRS, seconds, watch_log: true })
    return { rows: [receiptRow('normal', measured, (own) => (own?.log ? [own.log] : []))] }
  },
}

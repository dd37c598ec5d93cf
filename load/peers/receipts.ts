import { connectRpc } from '../clients/rpc.ts'
import { type Keeping, startKeeping } from '../keeping.ts'
import type { ReceiptPeer } from '../receipts.ts'

/**
 * This broker over its WebSocket door: a receipt for each message, and all of a frame acknowledged by its
 * reader in one call.
 */
export function receiptBroker(keeping: Keeping): ReceiptPeer {
  return {
    name: keeping,
    start: () => startKeeping(keeping),
    async read({ url }, client_id, onMessage) {
      let ids: string[] = []
      const acknowledge = () => {
        const params = { message_ids: ids }
        ids = []
        reader.send(JSON.stringify({ jsonrpc: '2.0', method: 'ack_messages', params }))
      }
      const reader = await connectRpc(url, ({ message: { message_id, payload } }) => {
        // The messages of a frame come in one go.
        if (ids.push(message_id) === 1) queueMicrotask(acknowledge)
        onMessage(payload)
      })
      await reader.call('checkin_client', { client_id })
      await reader.call('subscribe', { batch: true, ack: 'manual' })
    },
    async write({ url }, client_id, recipient, onReceipt) {
      const rpc = await connectRpc(url, undefined, onReceipt)
      await rpc.call('checkin_client', { client_id })
      return (first, payloads) => rpc.send(numberedFrame(recipient, first, payloads))
    },
    unacknowledged: ({ url }) => unacknowledged(url),
  }
}

/** Messages in a broker's mailboxes that nobody has acknowledged. */
export async function unacknowledged(url: string): Promise<number> {
  const answer = await fetch(`${url}/v1/status`, { headers: { accept: 'application/json' } })
  const { mailboxes } = (await answer.json()) as { mailboxes: { pending: number; leased: number } }
  return mailboxes.pending + mailboxes.leased
}

/**
 * One frame that sends all of them, and asks for a receipt for each under its number.
 *
 * @param payloads each as JSON
 */
export function numberedFrame(recipient: string, first: number, payloads: readonly string[]): string {
  const requests = payloads.map(
    (payload, i) =>
      `{"jsonrpc":"2.0","id":${first + i},"method":"send_message","params":{"recipient_id":"${recipient}","payload":${payload}}}`,
  )
  return requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`
}

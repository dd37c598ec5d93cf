import { connectReader, connectSender } from '../clients/rpc.ts'
import { Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { windows } from '../pairs.ts'
import { startBroker } from '../peers/broker.ts'
import type { Scenario } from '../scenario.ts'
import { Window } from '../window.ts'

const PAIRS = 50
const RATE = 2000

export const requestReply: Scenario = {
  name: 'request-reply',
  summary: '50 pairs, 2,000 send_message_and_wait a second, each answered by the other end',
  in_short: false,
  async run(run) {
    await using server = await startBroker()
    const { warm_seconds, seconds } = windows(run)
    const warm = RATE * warm_seconds
    const total = warm + RATE * seconds
    const ledger = new Ledger(total)
    const askers = await Promise.all(
      Array.from({ length: PAIRS }, async (_, i) => {
        const answerer = await connectReader(server.url, `answerer-${i}`, ({ message }) => {
          const { message_id, sender_id, payload } = message
          const params = { recipient_id: sender_id, in_reply_to: message_id, payload }
          answerer.send(JSON.stringify({ jsonrpc: '2.0', method: 'send_message', params }))
        })
        return connectSender(server.url, `asker-${i}`)
      }),
    )
    run.say(`${RATE} requests/s for ${warm_seconds + seconds} s`)
    const window = new Window(server, ledger)
    await openLoop({ interval_ms: 1000 / RATE, total }, (n, intended_ms) => {
      if (n === warm) window.begin()
      const payload = JSON.parse(payloadJson(n, intended_ms))
      askers[n % PAIRS]!.call<{ reply?: { payload: { n: number; t: number } } }>('send_message_and_wait', {
        recipient_id: `answerer-${n % PAIRS}`,
        payload,
        timeout: 10,
      }).then(
        ({ reply }) => reply && ledger.arrive(reply.payload),
        // What fails does not arrive, and counts as lost.
        () => {},
      )
    })
    await ledger.settle()
    const latency = ledger.latency(warm)
    return {
      rows: [
        {
          what: 'over WebSocket',
          ...window.end(),
          latency,
          lost: ledger.lost,
          twice: ledger.twice,
          budgets: [{ what: 'p99', bound: 'at most', limit: 25, value: latency.p99, unit: 'ms' }],
        },
      ],
    }
  },
}

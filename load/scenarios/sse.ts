import { readEvents } from '../clients/events.ts'
import { measurePairs } from '../pairs.ts'
import { BROKER } from '../peers/broker.ts'
import type { Peer } from '../peers/peer.ts'
import type { Scenario } from '../scenario.ts'

/** The broker, sent to by WebSocket and read by server-sent events. */
const BY_EVENTS: Peer = {
  ...BROKER,
  async read(server, name, onMessage) {
    await readEvents(server.url, name, ({ message }) => onMessage(message.payload))
  },
}

export const sse: Scenario = {
  name: 'sse',
  summary: '50 pairs, 10,000 messages/s, sent by WebSocket and read as server-sent events',
  in_short: false,
  async run(run) {
    run.say('10,000 messages/s')
    const measured = (await measurePairs(run, BY_EVENTS, { pairs: 50, rate: 10_000, batch: 5 }))!
    return {
      rows: [
        {
          ...measured,
          what: 'event streams',
          budgets: [{ what: 'p99', bound: 'at most', limit: 25, value: measured.latency!.p99, unit: 'ms' }],
        },
      ],
    }
  },
}

import { socketAgent } from '../clients/agents.ts'
import { connectRpc, connectSender, type Delivered, type Rpc, sendRequest } from '../clients/rpc.ts'
import { Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { startBroker } from '../peers/broker.ts'
import type { Scenario } from '../scenario.ts'

const CLIENTS = 1000
/** Those who stay: what the storm costs them is seen in their latency. */
const OTHERS = 50
/** To those who are dropped, and as many among the others. */
const RATE = 1000
const STEADY_SECONDS = 3
const SECONDS = 13
/** How long they are away: what is sent to them meanwhile waits in their mailboxes. */
const AWAY_MS = 500
/** For so long after they have resumed the others are watched. */
const BACKLOG_SECONDS = 1

export const storm: Scenario = {
  name: 'storm',
  summary:
    '1,000 clients are dropped at once and half a second later all resume at once, by cursor; they and 50 others are sent 1,000 messages/s each',
  in_short: false,
  connections: CLIENTS + OTHERS,
  async run(run) {
    await using server = await startBroker()
    const total = RATE * SECONDS
    const own = new Ledger(total)
    const others = new Ledger(total)
    run.say(`${CLIENTS} clients connect`)
    const clients = Array.from({ length: CLIENTS }, (_, i) => new Resumer(server.url, `client-${i}`, own))
    for (let first = 0; first < CLIENTS; first += 100)
      await Promise.all(clients.slice(first, first + 100).map((client) => client.connect()))
    const agents = await Promise.all(
      Array.from({ length: OTHERS }, (_, i) => socketAgent(server.url, `other-${i}`, others.arrive)),
    )
    const publisher = await connectSender(server.url, 'publisher')

    run.say(`${STEADY_SECONDS} s as usual, then the storm`)
    const dropped_n = RATE * STEADY_SECONDS
    let resumed_seconds = Number.NaN
    let resuming_n = total
    let resumed_n = total
    let sent = 0
    let storm: Promise<unknown> | undefined
    await openLoop({ interval_ms: 1000 / RATE, total }, (n, intended_ms) => {
      sent = n + 1
      if (n === dropped_n) {
        for (const client of clients) client.drop()
        const away = Bun.sleep(AWAY_MS).then(() => {
          resuming_n = sent
        })
        storm = away
          .then(() => resumeAll(clients))
          .then(
            (seconds) => {
              resumed_seconds = seconds
              resumed_n = sent
            },
            // Not a number of seconds: the budget is missed.
            (error) => console.error('a client could not resume:', error),
          )
      }
      publisher.send(sendRequest(`client-${n % CLIENTS}`, payloadJson(n, intended_ms)))
      agents[n % OTHERS]!.send(`other-${(n + 1) % OTHERS}`, payloadJson(n, intended_ms))
    })
    await storm
    await own.settle()
    await others.settle()
    // What the resumed are sent then, of what waited for them, is part of the storm.
    const meanwhile = others.latency(resuming_n, resumed_n + RATE * BACKLOG_SECONDS)
    const memory_bytes = server.memoryBytes()
    return {
      rows: [
        {
          what: 'the dropped',
          latency: own.latency(dropped_n, resumed_n),
          memory_bytes,
          lost: own.lost,
          twice: own.twice,
          budgets: [{ what: 'all resumed', bound: 'at most', limit: 10, value: resumed_seconds, unit: 's' }],
        },
        {
          what: 'the others, meanwhile',
          latency: meanwhile,
          memory_bytes,
          lost: others.lost,
          twice: others.twice,
          budgets: [{ what: 'p99', bound: 'at most', limit: 250, value: meanwhile.p99, unit: 'ms' }],
        },
      ],
    }
  },
}

/** All come back at the same moment, as after a broken network. @returns how long it took, in seconds */
async function resumeAll(clients: readonly Resumer[]): Promise<number> {
  const began_ms = performance.now()
  await Promise.all(clients.map((client) => client.connect()))
  return (performance.now() - began_ms) / 1000
}

/** A client that resumes where it was. */
class Resumer {
  #rpc: Rpc | undefined
  #session_id: string | undefined
  #cursor: string | undefined

  constructor(
    private readonly url: string,
    private readonly client_id: string,
    private readonly ledger: Ledger,
  ) {}

  /** Connects, or connects again: checks in with its session and reads on after its cursor. */
  async connect(): Promise<void> {
    const rpc = await connectRpc(this.url, this.#onMessage)
    this.#rpc = rpc
    const checked = await rpc.call<{ session_id: string; cursor: string }>('checkin_client', {
      client_id: this.client_id,
      ...(this.#session_id === undefined ? {} : { session_id: this.#session_id }),
    })
    this.#session_id = checked.session_id
    this.#cursor ??= checked.cursor
    const { recovered } = await rpc.call<{ recovered: boolean }>('subscribe', {
      after: this.#cursor,
      batch: true,
    })
    if (!recovered) throw new Error(`${this.client_id} could not resume after ${this.#cursor}`)
  }

  drop(): void {
    this.#rpc?.drop()
  }

  readonly #onMessage = ({ cursor, message }: Delivered): void => {
    this.#cursor = cursor
    this.ledger.arrive(message.payload)
  }
}

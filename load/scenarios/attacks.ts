import { socketAgent } from '../clients/agents.ts'
import { connectSender, type Rpc } from '../clients/rpc.ts'
import { connectWebSocket } from '../clients/websocket.ts'
import { Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { startBroker } from '../peers/broker.ts'
import type { Row, Run, Scenario } from '../scenario.ts'
import type { Server } from '../server.ts'

/** Addresses that an attack makes the broker look through. */
const CLIENTS = 20_000
/** The most requests that a batch may hold. */
const BATCH = 1000
/** The most ids that one call may name, and dead letters that are kept. */
const MANY = 10_000
const HONEST = 49
/** What the honest send, all together. */
const RATE = 1000
const SECONDS = 4
const P99_MS_MAX = 50
/** How long the letters live that are requeued: they are dead again when the next call comes. */
const LETTER_TTL_SECONDS = 0.2

/** One frame that an attacker sends again and again, as soon as the one before is answered. */
interface Attack {
  readonly what: string
  /** Params by method, one for each request of the frame. */
  readonly requests: readonly (readonly [method: string, params: object])[]
  /** Puts in place what it needs. */
  prepare?(server: Server, run: Run): Promise<void>
}

const times = (count: number, method: string, params: (n: number) => object = () => ({})) =>
  Array.from({ length: count }, (_, n) => [method, params(n)] as const)
const unknownIds = (count: number) => Array.from({ length: count }, () => Bun.randomUUIDv7())

const ATTACKS: readonly Attack[] = [
  { what: `${BATCH} lists of sessions in a frame`, requests: times(BATCH, 'list_sessions') },
  {
    what: `${BATCH} filters that match nobody`,
    requests: times(BATCH, 'list_sessions', () => ({ capability_filter: 'nobody has this' })),
  },
  {
    what: `${BATCH} unknown messages asked for`,
    requests: times(BATCH, 'get_message_status', () => ({ message_id: Bun.randomUUIDv7() })),
  },
  {
    what: `${MANY} unknown messages acknowledged`,
    requests: times(1, 'ack_messages', () => ({ message_ids: unknownIds(MANY) })),
  },
  {
    what: `${MANY} dead letters requeued`,
    requests: times(1, 'requeue_dead_letters'),
    prepare: letDie,
  },
]

export const attacks: Scenario = {
  name: 'attacks',
  summary: `one client asks, as fast as it is answered, for what costs the most among ${CLIENTS} others; ${HONEST} go on talking`,
  in_short: false,
  async run(run) {
    await using server = await startBroker()
    run.say(`${CLIENTS} clients check in`)
    const crowd = await connectSender(server.url, 'crowd')
    for (let first = 0; first < CLIENTS; first += BATCH) await checkIn(crowd, first)
    const rows: Row[] = []
    for (const [round, attack] of ATTACKS.entries()) {
      await attack.prepare?.(server, run)
      rows.push(await endure(server, attack, round, run))
    }
    return { rows }
  },
}

function checkIn(rpc: Rpc, first: number): Promise<unknown> {
  return Promise.all(
    Array.from({ length: BATCH }, (_, n) => rpc.call('checkin_client', { client_id: `crowd-${first + n}` })),
  )
}

/** The honest talk to each other while the attack goes on, in each round under other names. */
async function endure(server: Server, { what, requests }: Attack, round: number, run: Run): Promise<Row> {
  const total = RATE * SECONDS
  const ledger = new Ledger(total)
  const name = (n: number) => `honest-${round}-${n % HONEST}`
  const honest = await Promise.all(
    Array.from({ length: HONEST }, (_, n) => socketAgent(server.url, name(n), ledger.arrive)),
  )
  const attacker = await Attacker.connect(server.url, requests)
  run.say(what)
  attacker.begin()
  await openLoop({ interval_ms: 1000 / RATE, total }, (n, intended_ms) =>
    honest[n % HONEST]!.send(name(n + 1), payloadJson(n, intended_ms)),
  )
  await ledger.settle()
  await attacker.end()
  for (const client of honest) client.close()
  const latency = ledger.latency()
  return {
    what,
    latency,
    memory_bytes: server.memoryBytes(),
    // An attack that is never answered would prove nothing.
    lost: ledger.lost + (attacker.answered > 0 ? 0 : 1),
    twice: ledger.twice,
    budgets: [{ what: 'p99', bound: 'at most', limit: P99_MS_MAX, value: latency.p99, unit: 'ms' }],
    note: `${attacker.answered} ${attacker.answered === 1 ? 'frame' : 'frames'} of the attack answered`,
  }
}

const LAST = 'last'
const ANSWER_MS_MAX = 20_000

/**
 * A client that sends a frame, and the same again once its last request is answered. It looks at nothing
 * else.
 */
class Attacker {
  answered = 0
  #over: (() => void) | undefined

  private constructor(
    private readonly socket: WebSocket,
    private readonly frame: string,
  ) {}

  static async connect(url: string, requests: Attack['requests']): Promise<Attacker> {
    const frame = requests.map(([method, params], n) => ({
      jsonrpc: '2.0',
      id: n === requests.length - 1 ? LAST : n,
      method,
      params: { ...params, ...(method === 'ack_messages' ? { client_id: 'attacker' } : {}) },
    }))
    let attacker: Attacker | undefined
    const socket = await connectWebSocket(`${url}/v1/ws`, (text) => attacker?.read(text))
    attacker = new Attacker(socket, JSON.stringify(frame))
    return attacker
  }

  begin(): void {
    this.socket.send(this.frame)
  }

  read(text: string): void {
    if (!text.includes(`"id":"${LAST}"`)) return
    this.answered++
    if (this.#over) this.#over()
    else this.begin()
  }

  /** Waits for the frame under way to be answered, but not for ever. */
  async end(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#over = resolve
    await Promise.race([promise, Bun.sleep(ANSWER_MS_MAX)])
    this.socket.close()
  }
}

/** Fills the dead letters, with messages to a few of the crowd. */
async function letDie(server: Server, run: Run): Promise<void> {
  run.say(`${MANY} messages die unread`)
  const sender = await connectSender(server.url, 'mourner')
  const send = (n: number) =>
    sender.call('send_message', {
      recipient_id: `crowd-${n % 100}`,
      payload: n,
      ttl_seconds: LETTER_TTL_SECONDS,
    })
  for (let first = 0; first < MANY; first += BATCH)
    await Promise.all(Array.from({ length: BATCH }, (_, n) => send(first + n)))
  const deadline_ms = performance.now() + 10_000
  for (;;) {
    const { total } = await sender.call<{ total: number }>('list_dead_letters', { limit: 1 })
    if (total >= MANY) return sender.close()
    if (performance.now() > deadline_ms) throw new Error(`only ${total} of ${MANY} messages have died`)
    await Bun.sleep(50)
  }
}

import { pino } from 'pino'
import { Keys } from '../../src/auth/identity.ts'
import { Broker } from '../../src/broker/broker.ts'
import { Housekeeping } from '../../src/broker/housekeeping.ts'
import { SCHEMA_BOUNDS } from '../../src/core/protocol/schema/bounds.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { ConnectionCount, type DoorContext } from '../../src/transports/door.ts'
import type { WsConnection } from '../../src/transports/ws/connection.ts'
import { onFrame } from '../../src/transports/ws/frames.ts'
import { testConfig } from '../../tests/harness.ts'
import { chatJson, chatRequest, SPEAKS_CHAT } from '../chat.ts'
import { sendRequest } from '../clients/rpc.ts'
import { payloadJson } from '../open-loop.ts'
import { sendFrame } from '../peers/broker.ts'
import type { Micro } from './bench.ts'
import { memoryEngine, type NewEngine } from './engines.ts'
import { FakeSockets } from './fake-socket.ts'

const PAIRS = 50
/** How often a running broker tends its mailboxes and its engine. */
const TEND_MS = 200

/**
 * From a frame that came to a frame that goes: all of the broker, and no socket.
 *
 * @param batch messages in a frame
 * @param typed whether the messages are of the ready protocol `chat`, which all sessions say they speak
 * @param newEngine makes the engine, where it is not memory alone
 */
export function path(batch: number, typed = false, newEngine?: NewEngine): Micro {
  return {
    name: `frame to frame, ${typed ? 'typed, ' : ''}${batch} in a frame`,
    item: 'message',
    items: PAIRS * batch,
    async prepare() {
      const context = contextOf(newEngine ?? memoryEngine)
      const { broker } = context
      await broker.start()
      if (newEngine) setInterval(() => broker.tend(), TEND_MS)
      await broker.protocols.validation.load()
      const sockets = new FakeSockets(broker.end_of_turn)
      const connect = (client_id: string): WsConnection => {
        const connection = sockets.open()
        connection.identity = context.keys.identify({ key: undefined, project: undefined })
        const capabilities = typed ? SPEAKS_CHAT : undefined
        call(context, connection, 'checkin_client', { client_id, capabilities })
        return connection
      }
      const sources = Array.from({ length: PAIRS }, (_, pair) => {
        call(context, connect(`sink-${pair}`), 'subscribe', { batch: true })
        return connect(`source-${pair}`)
      })
      // Check-ins with ranges may take several turns.
      const there = async () => (await broker.engine.stats()).clients + broker.hub.subscription_count
      while ((await there()) < 3 * PAIRS) await new Promise((resolve) => setTimeout(resolve, 0))
      const frames = sources.map((_, pair) => frameTo(`sink-${pair}`, batch, typed))
      return async () => {
        const { accepted } = broker.counters
        for (const [pair, source] of sources.entries()) onFrame(context, source, frames[pair]!)
        // The turn in which the hub writes, and then the pongs.
        await new Promise<void>((resolve) => setImmediate(resolve))
        for (const { connection, said } of sockets.pinged.splice(0))
          if (connection.ponged(said)) broker.hub.confirmed(connection)
        if (broker.counters.accepted < accepted + PAIRS * batch) throw new Error('a message was refused')
      }
    },
  }
}

function frameTo(recipient: string, batch: number, typed: boolean): string {
  const payloads = Array.from({ length: batch }, (_, n) => (typed ? chatJson(n, 0) : payloadJson(n, 0)))
  return sendFrame(recipient, payloads, typed ? chatRequest : sendRequest)
}

function call(context: DoorContext, connection: WsConnection, method: string, params: object): void {
  onFrame(context, connection, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
}

/** A broker with the default settings, as a door has it, that keeps messages in memory. */
export function brokerContext(): DoorContext {
  const context = contextOf(memoryEngine)
  void context.broker.start()
  return context
}

/** A broker that has not started yet. */
function contextOf(newEngine: NewEngine): DoorContext {
  const config = testConfig()
  const report = (error: unknown) => console.error(error)
  const engine: Engine = newEngine({
    limits: () => config,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => 'micro00000',
  })
  const broker = new Broker({
    engine,
    limits: config,
    now: Date.now,
    newId: () => Bun.randomUUIDv7(),
    waiting_max: config.waiting_max,
    stalled_ms_max: config.slow_reader_seconds * 1000,
    protocols: config,
    schema_bounds: SCHEMA_BOUNDS,
    report,
  })
  return {
    broker,
    config,
    keys: new Keys(undefined),
    log: pino({ level: 'silent' }),
    housekeeping: new Housekeeping(Date.now, report),
    connections: new ConnectionCount(config.connections_max),
  }
}

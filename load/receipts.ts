import { LogSize } from './log-size.ts'
import { Ledger, openLoop, type Payload, payloadJson } from './open-loop.ts'
import type { Pairs } from './pairs.ts'
import type { Budget, Measured } from './scenario.ts'
import type { Server } from './server.ts'
import type { Latency } from './stats.ts'
import { Window } from './window.ts'

/** Sends messages to one reader. @param first number of the first of them; @param payloads each as JSON */
export type SendNumbered = (first: number, payloads: readonly string[]) => void

/**
 * A kind of server that stores messages, says so of each, and keeps each until its reader acknowledges it.
 */
export interface ReceiptPeer {
  readonly name: string
  /** Undefined where there is none. */
  start(): Promise<Server | undefined>
  /** Connects an end that reads what is sent to its name, and acknowledges each message once it has it. */
  read(server: Server, name: string, onMessage: (payload: Payload) => void): Promise<void>
  /**
   * Connects an end that sends to one name.
   *
   * @param onReceipt told of the number of each message that is stored
   */
  write(
    server: Server,
    name: string,
    recipient: string,
    onReceipt: (n: number) => void,
  ): Promise<SendNumbered>
  /** Messages that are stored and not acknowledged yet. */
  unacknowledged(server: Server): Promise<number>
}

export interface ReceiptPairs extends Pairs {
  readonly warm_seconds: number
  readonly seconds: number
  /** Looks at the size of the broker's log each second. */
  readonly watch_log?: boolean
}

/**
 * The latency is that of the delivery. A message also counts as lost when its receipt or acknowledgement is.
 */
export interface Receipted extends Measured {
  readonly latency: Latency
  readonly receipt_latency: Latency
  /** Where it was asked for: whether the log stayed within its bound. */
  readonly log?: Budget | undefined
}

const ACKNOWLEDGED_MS_MAX = 10_000

/**
 * Measures one peer once. Each sender's frames fall due at an even pace, spread over all senders; the window
 * ends when all is delivered, has its receipt and is acknowledged.
 */
export async function measureReceipts(
  peer: ReceiptPeer,
  { pairs, rate, batch, warm_seconds, seconds, watch_log = false }: ReceiptPairs,
): Promise<Receipted | undefined> {
  await using server = await peer.start()
  if (!server) return undefined
  const interval_ms = (batch * 1000) / rate
  const warm_frames = Math.round((warm_seconds * 1000) / interval_ms)
  const total = warm_frames + Math.round((seconds * 1000) / interval_ms)
  const deliveries = new Ledger(total * batch)
  const receipts = new Ledger(total * batch)
  const intended_ms = new Float64Array(total)
  const onReceipt = (n: number) => receipts.arrive({ n, t: intended_ms[Math.floor(n / batch)]! })
  const senders = await Promise.all(
    Array.from({ length: pairs }, async (_, i) => {
      await peer.read(server, `sink-${i}`, deliveries.arrive)
      return peer.write(server, `source-${i}`, `sink-${i}`, onReceipt)
    }),
  )
  using log = watch_log ? LogSize.watch(server) : undefined
  const window = new Window(server, deliveries)
  await openLoop({ interval_ms, total }, (frame, at_ms) => {
    if (frame === warm_frames) window.begin()
    intended_ms[frame] = at_ms
    const first = frame * batch
    const payloads = Array.from({ length: batch }, (_, i) => payloadJson(first + i, at_ms))
    senders[frame % pairs]!(first, payloads)
  })
  await deliveries.settle()
  await receipts.settle()
  const unacknowledged = await leftOver(peer, server)
  const warm = warm_frames * batch
  return {
    ...window.end(),
    latency: deliveries.latency(warm),
    receipt_latency: receipts.latency(warm),
    lost: deliveries.lost + receipts.lost + unacknowledged,
    twice: deliveries.twice,
    log: await log?.budget(),
  }
}

/** Waits until all is acknowledged, or so long that it will not be. @returns how many are not */
async function leftOver(peer: ReceiptPeer, server: Server): Promise<number> {
  const deadline_ms = performance.now() + ACKNOWLEDGED_MS_MAX
  for (;;) {
    const left = await peer.unacknowledged(server)
    if (left === 0 || performance.now() > deadline_ms) return left
    await Bun.sleep(50)
  }
}

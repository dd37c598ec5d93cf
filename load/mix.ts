import { type Agent, eventsAgent, socketAgent, toolAgent } from './clients/agents.ts'
import { Ledger, openLoop, type Payload, payloadJson } from './open-loop.ts'
import type { Windows } from './pairs.ts'
import type { Measured } from './scenario.ts'
import type { Latency } from './stats.ts'
import { type Carrier, Window } from './window.ts'

/** Of 50 sessions, so many come by each door. */
const DOORS = [
  { open: socketAgent, sessions: 40 },
  { open: eventsAgent, sessions: 5 },
  { open: toolAgent, sessions: 5 },
]

/** Sessions through all doors, each of which talks to all others in turn. */
export class Mix implements Disposable {
  private constructor(private readonly agents: readonly Agent[]) {}

  /** Opens 50 sessions. @param urls of the brokers that are one: the sessions of each door go to all in turn */
  static async open(urls: readonly string[], onPayload: (payload: Payload) => void): Promise<Mix> {
    const agents = DOORS.flatMap(({ open, sessions }, door) =>
      Array.from({ length: sessions }, (_, i) =>
        open(urls[i % urls.length]!, `session-${door}-${i}`, onPayload),
      ),
    )
    return new Mix(await Promise.all(agents))
  }

  /** Sends the message of a number, from one session to another. For `openLoop`. */
  readonly send = (n: number, intended_ms: number): void => {
    const { length } = this.agents
    const sender = n % length
    // The next session but a number that moves on, so that everybody talks with everybody.
    const recipient = (sender + 1 + (Math.floor(n / length) % (length - 1))) % length
    this.agents[sender]!.send(this.agents[recipient]!.client_id, payloadJson(n, intended_ms))
  };

  [Symbol.dispose](): void {
    for (const agent of this.agents) agent.close()
  }
}

/** Has a mix talk for a while. @param rate messages per second @param urls as in {@link Mix.open} */
export async function measureMix(
  carrier: Carrier,
  urls: readonly string[],
  rate: number,
  { warm_seconds, seconds }: Windows,
): Promise<Measured & { readonly latency: Latency }> {
  const warm = Math.round(rate * warm_seconds)
  const total = warm + Math.round(rate * seconds)
  const ledger = new Ledger(total)
  using mix = await Mix.open(urls, ledger.arrive)
  const window = new Window(carrier, ledger)
  await openLoop({ interval_ms: 1000 / rate, total }, (n, intended_ms) => {
    if (n === warm) window.begin()
    mix.send(n, intended_ms)
  })
  await ledger.settle()
  const redis = await window.redisCpu()
  const { lost, twice } = ledger
  return { ...window.end(), ...redis, latency: ledger.latency(warm), lost, twice }
}

import { type Agent, eventsAgent, socketAgent, toolAgent } from './clients/agents.ts'
import { type Payload, payloadJson } from './open-loop.ts'

/** Of 50 sessions, so many come by each door. */
const DOORS = [
  { open: socketAgent, sessions: 40 },
  { open: eventsAgent, sessions: 5 },
  { open: toolAgent, sessions: 5 },
]

/** Sessions through all doors, each of which talks to all others in turn. */
export class Mix implements Disposable {
  private constructor(private readonly agents: readonly Agent[]) {}

  /** Opens 50 sessions. @param url of the broker */
  static async open(url: string, onPayload: (payload: Payload) => void): Promise<Mix> {
    const agents = DOORS.flatMap(({ open, sessions }, door) =>
      Array.from({ length: sessions }, (_, i) => open(url, `session-${door}-${i}`, onPayload)),
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

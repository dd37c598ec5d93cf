import type { Cluster } from './cluster.ts'

/** How often the invariants are checked that no event shows. */
const CHECK_MS = 200
interface Lying {
  readonly changes: number
  readonly pending: number
  readonly reader: unknown
  readonly since_ms: number
}

/** What holds at all times, and what holds when the cluster is at rest. */
export class Invariants {
  #state: 'faulty' | 'healed' = 'faulty'
  /** What each mailbox and its reader were when they were seen to change last. */
  readonly #lying = new Map<string, Lying>()

  constructor(private readonly cluster: Cluster) {}

  start(): void {
    this.cluster.schedule.later(CHECK_MS, 'check', () => {
      this.#check()
      this.start()
    })
  }

  /** From now on calls succeed. */
  healed(): void {
    this.#state = 'healed'
    this.#lying.clear()
  }

  get #patience() {
    return this.cluster.ground.patience[this.#state]
  }

  #check(): void {
    for (const client of this.cluster.live) this.#lies(client.client_id, client.reads && client.wire)
    const [poller] = this.cluster.mail
    this.#lies(poller!.client_id, poller!.polls_ms)
    this.#questions()
    this.#replaced()
  }

  /** Mail that is pending while somebody would read it. */
  #lies(client_id: string, reader: unknown): void {
    const { cluster } = this
    const { ground, schedule } = cluster
    const client = ground.seen(client_id)
    if (!client || client.pending === 0 || !reader) {
      this.#lying.delete(client_id)
      return
    }
    const { changes, pending } = client
    const before = this.#lying.get(client_id)
    if (before?.changes !== changes || before.pending !== pending || before.reader !== reader)
      this.#lying.set(client_id, { changes, pending, reader, since_ms: schedule.now })
    else
      cluster.assert(
        schedule.now - before.since_ms <= this.#patience.lies_ms,
        `mail lies in the mailbox of ${client_id}`,
      )
  }

  #questions(): void {
    const { questions, schedule, truth } = this.cluster
    for (const question of questions.waiting) {
      if (question.over) questions.waiting.delete(question)
      else if (question.replied_ms !== undefined && !truth.hasDied(question.asker, question.reply_id!))
        this.cluster.assert(
          schedule.now - question.replied_ms <= this.#patience.lies_ms,
          `the reply to ${question.payload} is there, and its call waits on`,
        )
    }
  }

  /** One open connection's session holds the address, soon after a takeover. */
  #replaced(): void {
    const { ground, instances, schedule } = this.cluster
    for (const { wires } of instances)
      for (const wire of wires) {
        if (!wire.open || wire.session_id === undefined) continue
        const holder = ground.seen(wire.client_id)?.session_id
        if (holder === wire.session_id) wire.replaced_ms = undefined
        else {
          wire.replaced_ms ??= schedule.now
          this.cluster.assert(
            schedule.now - wire.replaced_ms <= this.#patience.replaced_ms,
            `a connection of ${wire.client_id} is open, though its session was replaced`,
          )
        }
      }
  }

  /** All that was accepted came, unless it died, or was taken for a call that failed. */
  atRest(): void {
    const { truth, questions, instances } = this.cluster
    for (const [place, stored] of truth.stored) {
      const taken = stored.acked && (stored.taken || questions.failedFor(stored.client_id))
      const excused = stored.died || taken
      this.cluster.assert(stored.came || excused, `${place} was accepted, and has never come`)
    }
    const brokers = instances.flatMap(({ brokers }) => brokers)
    const counted = (count: (counters: (typeof brokers)[number]['counters']) => number) =>
      brokers.reduce((sum, { counters }) => sum + count(counters), 0)
    this.cluster.assert(counted((of) => of.acknowledged) <= truth.acked, 'acknowledgements count twice')
    const dead = counted((of) => Object.values(of.dead).reduce((sum, count) => sum + count))
    this.cluster.assert(dead <= truth.dead, 'deaths count twice')
    this.cluster.assert(counted((of) => of.redelivered) <= truth.redelivered, 'redeliveries count twice')
  }
}

import { BROKER_CLIENT_ID } from '../../src/core/message.ts'
import type { JournalEngine } from '../../src/engine/journal/journal.ts'
import { type Accepted, type Change, type Ledger, placeOf } from './ledger.ts'
import { RecordFacts } from './record-facts.ts'
import { DONE, type Stage, SYNCED, WRITTEN } from './stage.ts'

/** How far a message in one mailbox has come. */
export interface Facts {
  append: Stage
  /** Undefined while it is not acknowledged. */
  ack: Stage | undefined
  /** The highest attempt that its recipient was sent, and that is written. */
  attempt: number
  /** A dead letter that was put back into its mailbox, and has not died again. */
  requeued: Stage | undefined
  /** The payloads that it was given one after the other. */
  readonly payloads: { readonly payload: unknown; stage: Stage }[]
}

/** The log syncs this often. */
const TICK_MS = 1000

/** What is to be on a disk, of all that a ledger has. */
export class DiskFacts {
  readonly #facts = new WeakMap<Accepted, Facts>()
  readonly records = new RecordFacts()
  /** Messages whose sends have failed. */
  readonly undone = new Map<string, Accepted>()
  /** The message that each cursor names, by `client epoch:offset`. */
  readonly named = new Map<string, string>()
  /** Runs of offsets that were seen, `client epoch`. */
  readonly epochs = new Set<string>()
  /** Those of which messages that were seen have been lost. */
  readonly lost = new Set<string>()
  /** A flush has failed: what else it had to store was perhaps not synced with `full`. */
  failed = false
  /** What is said in the present life of the process is written when a flush ends. */
  #unwritten: ((stored: boolean) => void)[] = []
  /** What a sync that is under way makes sure of. */
  #unsynced: (() => void)[] | undefined

  constructor(
    private readonly ledger: Ledger,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  of(known: Accepted): Facts {
    let facts = this.#facts.get(known)
    if (!facts) {
      facts = { append: DONE, ack: undefined, attempt: 0, requeued: undefined, payloads: [] }
      this.#facts.set(known, facts)
    }
    return facts
  }

  /** Something has happened to a message. */
  changed(change: Change, known: Accepted): void {
    const facts = this.of(known)
    if (change === 'died') {
      facts.requeued = undefined
      return
    }
    if (change === 'acked') {
      // Acknowledged before it was delivered anew, it is shown to others with the attempt that it had.
      if (facts.requeued !== undefined) known.attempt--
      facts.ack ??= DONE
      this.#unwritten.push(() => {
        if (facts.ack === DONE) facts.ack = WRITTEN
      })
      return
    }
    const given = { payload: known.rewritten, stage: DONE as Stage }
    facts.payloads.push(given)
    this.#unwritten.push(() => {
      given.stage = WRITTEN
    })
  }

  /** A dead letter is put back. */
  requeued(known: Accepted, expires_ms: number, full: boolean): void {
    const facts = this.of(known)
    known.order = this.ledger.nextOrder()
    facts.requeued = DONE
    this.#unwritten.push((stored) => {
      // It may have died again at once, to make room.
      if (!stored || facts.requeued !== DONE) return
      known.died = false
      known.expires_ms = expires_ms
      facts.requeued = full ? SYNCED : WRITTEN
    })
  }

  /** A record was put, undefined: deleted. */
  put(id: string, version: number, value: unknown, full: boolean): void {
    const put = this.records.put(id, version, value)
    this.#unwritten.push((stored) => {
      put.stage = full && stored ? SYNCED : WRITTEN
    })
  }

  /**
   * Notes what comes of the flushes and syncs of an engine.
   *
   * @param alive whether its process is
   * @param idle whether nothing waits for its disk
   */
  watch(engine: JournalEngine, full: boolean, alive: () => boolean, idle: () => boolean): void {
    this.#unwritten = []
    this.#unsynced = undefined
    this.#watchFlush(engine, full, alive)
    this.#watchReads(engine)
    const sweep = engine.sweep.bind(engine)
    let ticked_ms = 0
    engine.sweep = () => {
      const ticks = this.now() - ticked_ms >= TICK_MS
      if (ticks) ticked_ms = this.now()
      // A sync that is under way does not cover what came after it had begun.
      if (ticks && alive() && idle()) this.#unsynced = this.#written()
      sweep()
    }
  }

  #watchFlush(engine: JournalEngine, full: boolean, alive: () => boolean): void {
    const flush = engine.flush.bind(engine)
    engine.flush = () => {
      const places = this.ledger.takeStaged()
      const changes = this.#unwritten.splice(0)
      const over = (stored: boolean) => {
        if (!alive()) return
        // The log keeps in memory what it could not write. That is true of deaths, too, with their bounces.
        const written = !isExhausted(engine)
        if (stored) this.#stored(places, full, written)
        else this.#undo(places)
        if (written) for (const change of changes) change(stored)
      }
      let flushing: void | Promise<void>
      try {
        flushing = flush()
      } catch (error) {
        over(false)
        throw error
      }
      if (!(flushing instanceof Promise)) return over(true)
      return flushing.then(
        () => over(true),
        (error: unknown) => {
          over(false)
          throw error
        },
      )
    }
  }

  #stored(places: readonly string[], full: boolean, written: boolean): void {
    for (const place of places) {
      const known = this.ledger.accepted.get(place)
      if (!known || (known.sender === BROKER_CLIENT_ID && !written)) continue
      this.of(known).append = full ? SYNCED : WRITTEN
    }
  }

  #undo(places: readonly string[]): void {
    this.failed = true
    for (const place of places) {
      const known = this.ledger.accepted.get(place)
      if (known) this.undone.set(place, known)
    }
    this.ledger.undo(places)
  }

  #watchReads(engine: JournalEngine): void {
    const read = engine.read.bind(engine)
    engine.read = (address, position, take) => {
      const answer = read(address, position, take)
      if (typeof answer !== 'string')
        for (const { offset, message } of answer.due)
          this.name(address.client_id, answer.epoch, offset, message.message_id)
      return answer
    }
  }

  /** A cursor names a message. @throws Error if it has named another one before */
  name(client_id: string, epoch: string, offset: number, message_id: string): void {
    const cursor = `${client_id} ${epoch}:${offset}`
    const named = this.named.get(cursor)
    if (named !== undefined && named !== message_id)
      throw new Error(`a cursor names two messages: ${cursor}, ${named} and ${message_id}`)
    this.named.set(cursor, message_id)
    this.epochs.add(`${client_id} ${epoch}`)
  }

  /** A message is gone: no cursor before it may be resumed from. */
  lose(known: Accepted, place: string): void {
    this.ledger.accepted.delete(place)
    for (const [cursor, message_id] of this.named) {
      const [client_id, at] = cursor.split(' ') as [string, string]
      if (placeOf(client_id, message_id) === place && client_id === known.recipient)
        this.lost.add(`${client_id} ${at.slice(0, at.indexOf(':'))}`)
    }
  }

  /** Marks all that is written at present as synced, once it is called. */
  #written(): (() => void)[] {
    const marks: (() => void)[] = []
    for (const known of this.ledger.accepted.values()) {
      const facts = this.of(known)
      if (facts.append === WRITTEN)
        marks.push(() => {
          facts.append = SYNCED
        })
      if (facts.ack === WRITTEN)
        marks.push(() => {
          facts.ack = SYNCED
        })
      if (facts.requeued === WRITTEN)
        marks.push(() => {
          if (facts.requeued === WRITTEN) facts.requeued = SYNCED
        })
      for (const given of facts.payloads)
        if (given.stage === WRITTEN)
          marks.push(() => {
            given.stage = SYNCED
          })
    }
    return [...marks, ...this.records.written()]
  }

  /** Nothing waits for the disk any more. @param well whether no sync has failed */
  idle(well: () => boolean): void {
    const marks = this.#unsynced
    this.#unsynced = undefined
    if (marks && well()) for (const synced of marks) synced()
  }
}

/** The log keeps in memory what it could not write. */
export function isExhausted(engine: JournalEngine): boolean {
  try {
    engine.settle({ project: 'default', client_id: 'nobody' }, { message_ids: [] })
    return false
  } catch {
    return true
  }
}

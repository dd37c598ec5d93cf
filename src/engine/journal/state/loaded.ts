import { ACKED, DELAYED, type DeadReason, Entry, LEASED, PENDING } from '../../../core/mailbox/entry.ts'
import type { StoredMessage } from '../../../core/message.ts'
import type { Session } from '../../../core/session.ts'
import type { Remembered } from '../../memory/client.ts'
import type { Numbered } from '../../memory/dead-letters.ts'
import type { Sent } from '../../values.ts'
import { AddressLog } from '../records/address-log.ts'
import { ContentReader } from '../records/content.ts'
import { HAS_OWNER, HAS_SESSION, KIND, OWNED, REASONS } from '../records/kinds.ts'
import { Reader } from '../records/reader.ts'
import type { Recorder } from '../records/recorder.ts'
import { LoadedEntries } from './loaded-entries.ts'

/** A session as it is written: who holds the address follows from the record around it. */
export type WrittenSession = Omit<Session, 'project' | 'client_id' | 'last_seen_ms'>

/**
 * An address as the log has it. Its record may come after its messages: it is written anew before the
 * segment with the older one is deleted.
 */
export interface LoadedAddress {
  readonly log: AddressLog
  /** Undefined until its record has come. */
  project: string | undefined
  client_id: string
  epoch: string
  last: number
  evicted_through: number
  idle_since_ms: number
  owned: boolean
  owner: string | undefined
  session: WrittenSession | undefined
  /** The acknowledged ones included. */
  readonly entries: LoadedEntries
  readonly keys: Map<string, Remembered>
}

/** A message that has become a dead letter; its address may be known only later. */
interface LoadedDeath {
  readonly address: LoadedAddress
  /** Empty when it is not known yet. */
  readonly epoch: string
  readonly number: number
  readonly offset: number
  readonly message: StoredMessage
  readonly attempts: number
  readonly dead_ms: number
  readonly reason: DeadReason
}

/** The dead letters of one project. */
export class LoadedLetters {
  readonly letters = new Map<number, Numbered>()
  readonly requeued = new Set<number>()

  /** Those that are there, in rising order of number, and the highest number that was given. */
  get sorted(): { readonly letters: readonly Numbered[]; readonly last: number } {
    let last = 0
    for (const number of [...this.letters.keys(), ...this.requeued]) last = Math.max(last, number)
    const there = [...this.letters.values()].filter(({ number }) => !this.requeued.has(number))
    return { letters: there.sort((a, b) => a.number - b.number), last }
  }
}

/** A record of the engine. */
export interface LoadedRecord {
  readonly kind: string
  readonly project: string
  readonly id: string
  readonly version: number
  /** Undefined: it was deleted. */
  readonly value: unknown
}

/** What the frames of a log say, read one after the other. */
export class Loaded {
  /** By their numbers. */
  readonly addresses = new Map<number, LoadedAddress>()
  /** By project. */
  readonly #letters = new Map<string, LoadedLetters>()
  readonly deaths: LoadedDeath[] = []
  /** In the order in which they were written: the highest version of each counts. */
  readonly records: LoadedRecord[] = []
  /** The newest time that the log names, in milliseconds since the epoch. */
  newest_ms = 0
  readonly #content = new ContentReader()

  /** @param recorder is told which segment has what, as if it wrote it */
  constructor(private readonly recorder: Recorder) {}

  /** Reads one frame. @throws Error if a recorder did not write it */
  read(body: Uint8Array, segment: number): void {
    this.recorder.segment = segment
    const reader = new Reader(body)
    let message: StoredMessage | undefined
    while (!reader.done) {
      const kind = reader.u8()
      if (kind === KIND.message) message = this.#message(reader)
      else if (kind === KIND.copy) this.#copy(reader, message)
      else this.#other(kind, reader)
    }
  }

  #other(kind: number, reader: Reader): void {
    switch (kind) {
      case KIND.time:
        this.newest_ms = Math.max(this.newest_ms, reader.number())
        break
      case KIND.leased:
      case KIND.acknowledged:
      case KIND.repeated:
      case KIND.returned:
        this.#run(kind, reader)
        break
      case KIND.address:
        this.#address(reader)
        break
      case KIND.forgotten:
        this.addresses.delete(reader.u32())
        break
      case KIND.died:
        this.#died(reader)
        break
      case KIND.letter:
        this.#letter(reader)
        break
      case KIND.requeued:
        this.#requeued(reader)
        break
      case KIND.key:
        this.#key(reader)
        break
      case KIND.record:
        this.#record(reader)
        break
      default:
        throw new Error(`it has a record of a kind that this version does not know: ${kind}`)
    }
  }

  #message(reader: Reader): StoredMessage {
    const from = reader.at
    const address = this.#at(reader.u32())
    const offset = reader.number()
    const { message, state } = this.#content.read(reader)
    const entry = new Entry(offset, message)
    if (state) Object.assign(entry, state)
    this.#put(address, entry)
    this.recorder.weighMessage(message, reader.at - from)
    return message
  }

  #copy(reader: Reader, message: StoredMessage | undefined): void {
    const address = this.#at(reader.u32())
    const offset = reader.number()
    if (!message) throw new Error('it has a copy of a message that is not there')
    this.#put(address, new Entry(offset, message))
  }

  #put(address: LoadedAddress, entry: Entry): void {
    const { offset } = entry
    address.entries.set(entry)
    if (offset > address.last) address.last = offset
    this.recorder.list(address.log, offset)
  }

  #run(kind: number, reader: Reader): void {
    const address = this.#at(reader.u32())
    const count = reader.u32()
    const first = reader.number()
    const times = reader.u32()
    const until_ms = reader.number()
    const mark = reader.u8() === 1
    for (let offset = first; offset < first + count; offset++) {
      const entry = address.entries.get(offset)
      if (entry) change(entry, kind, times, until_ms, mark)
    }
  }

  #address(reader: Reader): void {
    const number = reader.u32()
    const marks = reader.u8()
    const last = reader.number()
    const evicted_through = reader.number()
    const idle_since_ms = reader.number()
    const project = reader.text()
    const client_id = reader.text()
    const epoch = reader.text()
    const owner = marks & HAS_OWNER ? reader.text() : undefined
    const session = marks & HAS_SESSION ? (reader.json() as WrittenSession) : undefined
    const owned = (marks & OWNED) !== 0
    this.recorder.numbers = Math.max(this.recorder.numbers, number)
    const address = this.#at(number)
    Object.assign(address, {
      project,
      client_id,
      epoch,
      evicted_through,
      idle_since_ms,
      owned,
      owner,
      session,
    })
    address.last = Math.max(address.last, last)
    this.recorder.listAddress(address.log, last, evicted_through)
  }

  #at(number: number): LoadedAddress {
    return this.addresses.getOrInsertComputed(number, () => ({
      log: new AddressLog(this.recorder, number),
      project: undefined,
      client_id: '',
      epoch: '',
      last: 0,
      evicted_through: 0,
      idle_since_ms: 0,
      owned: false,
      owner: undefined,
      session: undefined,
      entries: new LoadedEntries(),
      keys: new Map<string, Remembered>(),
    }))
  }

  #died(reader: Reader): void {
    const address = this.#at(reader.u32())
    const count = reader.u32()
    const first = reader.number()
    const attempts = reader.u32()
    const dead_ms = reader.number()
    const reason = REASONS[reader.u8()]!
    const letter = reader.number()
    for (let i = 0; i < count; i++) {
      const offset = first + i
      const message = address.entries.get(offset)?.message
      // Its segment is gone: then the letter comes whole further on, if it is there still.
      if (!message) continue
      address.entries.delete(offset)
      const { epoch } = address
      this.deaths.push({ address, epoch, number: letter + i, offset, message, attempts, dead_ms, reason })
    }
  }

  #letter(reader: Reader): void {
    const offset = reader.number()
    const number = reader.number()
    const dead_ms = reader.number()
    const attempts = reader.u32()
    const reason = REASONS[reader.u8()]!
    const project = reader.text()
    const recipient_id = reader.text()
    const epoch = reader.text()
    const { message } = this.#content.read(reader)
    const letter = { project, recipient_id, epoch, offset, message, attempts, reason, dead_ms }
    this.#lettersOf(project).letters.set(number, { number, letter })
    this.recorder.here().letter(project, number)
  }

  #requeued(reader: Reader): void {
    const { requeued } = this.#lettersOf(reader.text())
    for (let count = reader.u32(); count > 0; count--) requeued.add(reader.number())
  }

  #lettersOf(project: string): LoadedLetters {
    return this.#letters.getOrInsertComputed(project, () => new LoadedLetters())
  }

  /** The dead letters of all projects, once everything is read. */
  letters(): ReadonlyMap<string, LoadedLetters> {
    for (const { address, number, ...death } of this.deaths.splice(0)) {
      const { log, project, client_id: recipient_id } = address
      if (project === undefined) continue
      const of_project = this.#lettersOf(project)
      if (of_project.letters.has(number)) continue
      const letter = { ...death, epoch: death.epoch || address.epoch, project, recipient_id }
      of_project.letters.set(number, { number, letter })
      log.deaths.push({ number, offset: letter.offset })
    }
    return this.#letters
  }

  #key(reader: Reader): void {
    const address = this.#at(reader.u32())
    const until_ms = reader.number()
    const key = reader.json() as string
    const digest = reader.text()
    const first = reader.json() as Sent
    const kept = { first, digest, until_ms }
    // A key that is used anew comes after those that were used since.
    address.keys.delete(key)
    address.keys.set(key, kept)
    this.recorder.here().keys.push({ sender: address.log, key, kept })
  }

  #record(reader: Reader): void {
    const from = reader.at
    const version = reader.number()
    const there = reader.u8() === 1
    const kind = reader.text()
    const project = reader.text()
    const id = reader.json() as string
    const value = there ? reader.json() : undefined
    this.records.push({ kind, project, id, version, value })
    this.recorder.listRecord(kind, project, id, version, there ? reader.at - from : 0)
  }
}

function change(entry: Entry, kind: number, times: number, until_ms: number, mark: boolean): void {
  if (kind === KIND.returned) {
    entry.failures = times
    entry.cursor_acks = mark
    entry.state = until_ms > 0 ? DELAYED : PENDING
    entry.due_ms = until_ms > 0 ? until_ms : entry.message.expires_ms
    return
  }
  entry.attempts = times
  if (kind === KIND.acknowledged) entry.state = ACKED
  else if (kind === KIND.leased) {
    entry.state = LEASED
    entry.cursor_acks = mark
    entry.due_ms = until_ms
  }
}

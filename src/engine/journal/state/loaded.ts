import { ACKED, DELAYED, Entry, LEASED, PENDING } from '../../../core/mailbox/entry.ts'
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
  /** By offset, the acknowledged ones included. */
  readonly entries: Map<number, Entry>
  readonly keys: Map<string, Remembered>
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
  /** By project, and by number. */
  readonly letters = new Map<string, Map<number, Numbered>>()
  /** The highest number of a letter, by project. */
  readonly last_letters = new Map<string, number>()
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
    address.entries.set(offset, entry)
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
    const session = marks & HAS_SESSION ? (JSON.parse(reader.text()) as WrittenSession) : undefined
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
      entries: new Map<number, Entry>(),
      keys: new Map<string, Remembered>(),
    }))
  }

  #letter(reader: Reader): void {
    const address = this.#at(reader.u32())
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
    this.#lettersOf(project).set(number, { number, letter })
    this.#numbered(project, number)
    address.entries.delete(offset)
    this.recorder.here().letter(project, number)
  }

  #requeued(reader: Reader): void {
    const project = reader.text()
    const letters = this.#lettersOf(project)
    for (let count = reader.u32(); count > 0; count--) {
      const number = reader.number()
      letters.delete(number)
      this.#numbered(project, number)
    }
  }

  #numbered(project: string, number: number): void {
    this.last_letters.set(project, Math.max(number, this.last_letters.get(project) ?? 0))
  }

  #lettersOf(project: string): Map<number, Numbered> {
    return this.letters.getOrInsertComputed(project, () => new Map<number, Numbered>())
  }

  #key(reader: Reader): void {
    const address = this.#at(reader.u32())
    const until_ms = reader.number()
    const key = reader.text()
    const digest = reader.text()
    const first = JSON.parse(reader.text()) as Sent
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
    const id = reader.text()
    const value: unknown = there ? JSON.parse(reader.text()) : undefined
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

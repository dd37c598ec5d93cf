import { type Entry, PENDING } from '../../../core/mailbox/entry.ts'
import type { StagedMessage } from '../../../core/mailbox/staged.ts'
import type { StoredMessage } from '../../../core/message.ts'
import type { Client, Remembered } from '../../memory/client.ts'
import type { DeadLetters, Numbered } from '../../memory/dead-letters.ts'
import type { Effects } from '../../memory/effects.ts'
import type { Batch } from '../../memory/staging.ts'
import type { Frame } from '../log/frame.ts'
import { Contents } from '../state/contents.ts'
import { AddressLog } from './address-log.ts'
import { BROADCAST, HAS_OWNER, HAS_SESSION, HAS_STATE, IS_REPLY, KIND, OWNED, REASONS } from './kinds.ts'
import { Writer } from './writer.ts'

/** Bytes of a record without its texts are fewer than this. */
const HEAD_MAX = 96
/** Where the count of a run lies, from the begin of its record: after its kind and its number. */
const COUNT_AT = 5

/** The state of a message besides what it was when it came. */
type StateOf = Pick<
  Entry,
  'offset' | 'message' | 'attempts' | 'failures' | 'state' | 'due_ms' | 'cursor_acks'
>

/**
 * Turns what a memory engine tells and commits into the bytes of frames, and notes which segment has what.
 */
export class Recorder implements Effects {
  readonly #writer = new Writer()
  /** By number of the segment. */
  readonly contents = new Map<number, Contents>()
  /** The segment that what is written now goes to, or an earlier one. Set by the engine. */
  segment = 0
  /** Numbers of addresses given so far. */
  numbers = 0
  /** Something was written that `full` has to sync before it is answered, besides appends. */
  must_sync = false
  /** UTF-16 units of messages, and the bytes that they took. */
  json_units = 0
  json_bytes = 0
  /** Bytes of the records of the engine that are there. */
  #record_bytes = new Map<string, number>()
  records_bytes = 0
  #here: Contents | undefined
  #here_segment = -1
  /** The run that the next change may prolong. */
  #run_at = -1
  #run_count = 0
  #run_kind = 0
  #run_number = 0
  #run_next = 0
  #run_times = 0
  #run_ms = 0
  #run_mark = 0
  #run_letter = 0

  constructor(private readonly now: () => number) {}

  /** Whether anything is written that no frame has taken yet. */
  get pending(): boolean {
    return !this.#writer.empty
  }

  get pending_bytes(): number {
    return this.#writer.length
  }

  /** Everything told so far and the appends of a batch, as one frame: good until `reset`. */
  frame(batch: Batch | undefined): Frame {
    const appends_at = this.#writer.length
    if (batch) this.#appends(batch)
    return { bytes: this.#writer.bytes, length: this.#writer.length, appends_at }
  }

  reset(): void {
    this.#run_at = -1
    this.#writer.reset()
  }

  /** The list of what goes to the segment that is written to. */
  here(): Contents {
    if (this.#here_segment !== this.segment) {
      this.#here_segment = this.segment
      this.#here = this.contents.getOrInsertComputed(this.segment, () => new Contents(this.segment))
    }
    return this.#here!
  }

  #appends({ appends, keyed, drained }: Batch): void {
    let before: StoredMessage | undefined
    for (const { client, staged } of appends) {
      const { message, offset, attempts, kept } = staged
      // Written with the death that it tells of.
      if (kept) continue
      const log = AddressLog.of(client)
      if (message === before && attempts === 0) {
        this.#begin(KIND.copy)
        this.#writer.u32(log.number)
        this.#writer.number(offset)
      } else if (attempts === 0) this.#message(log.number, offset, message, undefined)
      else {
        const due_ms = message.expires_ms
        const state = { offset, message, attempts, failures: 0, state: PENDING, due_ms, cursor_acks: false }
        this.#message(log.number, offset, message, state as StateOf)
      }
      before = attempts === 0 ? message : undefined
      this.list(log, offset)
    }
    for (const { sender, key, kept } of keyed) this.key(AddressLog.of(sender), key, kept)
    for (const { project, letters } of drained) {
      this.#begin(KIND.requeued)
      this.#writer.text(project)
      this.#writer.reserve(4 + letters.length * 8)
      this.#writer.u32(letters.length)
      for (const { number } of letters) this.#writer.number(number)
    }
  }

  /** Lists a message that lies in the segment, or is being written. */
  list(log: AddressLog, offset: number): void {
    const here = this.here()
    if (offset <= log.highest) {
      here.again.push({ log, offset })
      return
    }
    log.highest = offset
    if (log.span && log.span_segment === this.segment) log.span.through = offset
    else {
      log.span = { log, from: offset, through: offset }
      log.span_segment = this.segment
      here.spans.push(log.span)
    }
  }

  opened(client: Client): AddressLog {
    const log = new AddressLog(this, ++this.numbers, client)
    this.#address(log, client)
    return log
  }

  changed(client: Client): void {
    this.#address(AddressLog.of(client), client)
  }

  /** A mailbox has another epoch. Its dead letters keep that in which they died. */
  renamed(client: Client, dead: DeadLetters): void {
    const log = AddressLog.of(client)
    this.lettersOf(log, dead)
    this.#address(log, client)
  }

  #address(log: AddressLog, client: Client): void {
    const { project, client_id, mailbox, owned, owner, session, idle_since_ms } = client
    this.#begin(KIND.address)
    const marks = (owned ? OWNED : 0) | (owner === undefined ? 0 : HAS_OWNER) | (session ? HAS_SESSION : 0)
    this.#writer.u32(log.number)
    this.#writer.u8(marks)
    this.#writer.number(mailbox.last)
    this.#writer.number(mailbox.evicted_through)
    this.#writer.number(idle_since_ms)
    this.#writer.text(project)
    this.#writer.text(client_id)
    this.#writer.text(mailbox.epoch)
    if (owner !== undefined) this.#writer.text(owner)
    if (session) {
      const { session_id, name, capabilities, created_ms, sender_only } = session
      this.#writer.json({ session_id, name, capabilities, created_ms, sender_only })
    }
    this.listAddress(log, mailbox.last, mailbox.evicted_through)
  }

  /** Lists the record of an address that lies in the segment, or is being written. */
  listAddress(log: AddressLog, last: number, evicted_through: number): void {
    log.said(this.segment, last, evicted_through)
    this.here().addresses.push(log)
  }

  forgotten(client: Client, dead: DeadLetters): void {
    const log = AddressLog.of(client)
    this.lettersOf(log, dead)
    log.client = undefined
    this.#begin(KIND.forgotten)
    this.#writer.u32(log.number)
  }

  /** Writes the dead letters of an address whole, if the log has them otherwise. */
  lettersOf(log: AddressLog, dead: DeadLetters): void {
    if (log.deaths.length === 0) return
    for (const { number } of log.deaths.splice(0))
      for (const letter of dead.between(number, number)) this.letter(letter)
  }

  /** Writes a message with all its state, anew. */
  message(log: AddressLog, entry: Entry): void {
    this.#message(log.number, entry.offset, entry.message, entry)
    this.list(log, entry.offset)
  }

  #message(number: number, offset: number, message: StoredMessage, state: StateOf | undefined): void {
    const from = this.#writer.length
    this.#begin(KIND.message)
    this.#writer.u32(number)
    this.#writer.number(offset)
    this.#content(message, state)
    this.weighMessage(message, this.#writer.length - from)
  }

  /** Notes how many bytes a message took. */
  weighMessage(message: StoredMessage, bytes: number): void {
    this.json_units += message.bytes
    this.json_bytes += bytes
  }

  #content(message: StoredMessage, state: StateOf | undefined): void {
    const { rank, broadcast, in_reply_to, sent_ms, expires_ms, ttl_ms, json } = message
    const marks =
      rank |
      (broadcast ? BROADCAST : 0) |
      (in_reply_to === undefined ? 0 : IS_REPLY) |
      (state ? HAS_STATE : 0)
    this.#writer.u8(marks)
    this.#writer.number(sent_ms)
    this.#writer.number(expires_ms)
    this.#writer.number(ttl_ms)
    if (state) {
      this.#writer.u8(state.state)
      this.#writer.u8(state.cursor_acks ? 1 : 0)
      this.#writer.u32(state.attempts)
      this.#writer.u32(state.failures)
      this.#writer.number(state.due_ms)
    }
    if (in_reply_to !== undefined) this.#writer.json(in_reply_to)
    this.#writer.text(json)
  }

  /**
   * One change to one message; the next may prolong it, if it is the same one to the next message.
   *
   * @param letter number of the dead letter that the message has become; those of a run rise one by one
   */
  run(
    kind: number,
    number: number,
    offset: number,
    times: number,
    ms: number,
    mark: number,
    letter = 0,
  ): void {
    if (
      this.#run_at >= 0 &&
      offset === this.#run_next &&
      kind === this.#run_kind &&
      number === this.#run_number &&
      times === this.#run_times &&
      ms === this.#run_ms &&
      mark === this.#run_mark &&
      letter === (this.#run_letter === 0 ? 0 : this.#run_letter + this.#run_count)
    ) {
      this.#run_next++
      this.#writer.patch(this.#run_at + COUNT_AT, ++this.#run_count)
      return
    }
    this.#begin(kind)
    this.#run_at = this.#writer.length - 1
    this.#run_count = 1
    this.#run_kind = kind
    this.#run_number = number
    this.#run_next = offset + 1
    this.#run_times = times
    this.#run_ms = ms
    this.#run_mark = mark
    this.#run_letter = letter
    this.#writer.u32(number)
    this.#writer.u32(1)
    this.#writer.number(offset)
    this.#writer.u32(times)
    this.#writer.number(ms)
    this.#writer.u8(mark)
    if (kind === KIND.died) this.#writer.number(letter)
  }

  died(client: Client, { number, letter: { offset, attempts, dead_ms, reason } }: Numbered): void {
    const log = AddressLog.of(client)
    this.run(KIND.died, log.number, offset, attempts, dead_ms, REASONS.indexOf(reason), number)
    log.deaths.push({ number, offset })
  }

  bounced(client: Client, { offset, message }: StagedMessage): void {
    const log = AddressLog.of(client)
    this.#message(log.number, offset, message, undefined)
    this.list(log, offset)
  }

  /** Writes a dead letter whole. */
  letter({ number, letter }: Numbered): void {
    const { project, recipient_id, epoch, offset, reason, dead_ms, attempts, message } = letter
    this.#begin(KIND.letter)
    this.#writer.number(offset)
    this.#writer.number(number)
    this.#writer.number(dead_ms)
    this.#writer.u32(attempts)
    this.#writer.u8(REASONS.indexOf(reason))
    this.#writer.text(project)
    this.#writer.text(recipient_id)
    this.#writer.text(epoch)
    this.#writer.reserve(HEAD_MAX)
    this.#content(message, undefined)
    this.here().letter(project, number)
  }

  key(sender: AddressLog, key: string, kept: Remembered): void {
    this.#begin(KIND.key)
    this.#writer.u32(sender.number)
    this.#writer.number(kept.until_ms)
    this.#writer.json(key)
    this.#writer.text(kept.digest)
    this.#writer.json(kept.first)
    this.here().keys.push({ sender, key, kept })
  }

  record(kind: string, project: string, id: string, version: number, value: unknown): void {
    const from = this.#writer.length
    this.must_sync = true
    this.#begin(KIND.record)
    this.#writer.number(version)
    this.#writer.u8(value === undefined ? 0 : 1)
    this.#writer.text(kind)
    this.#writer.text(project)
    this.#writer.json(id)
    if (value !== undefined) this.#writer.json(value)
    this.listRecord(kind, project, id, version, value === undefined ? 0 : this.#writer.length - from)
  }

  /** Lists a record of the engine that lies in the segment, or is being written; 0 bytes if deleted. */
  listRecord(kind: string, project: string, id: string, version: number, bytes: number): void {
    this.here().records.push({ kind, project, id, version })
    const key = JSON.stringify([kind, project, id])
    this.records_bytes += bytes - (this.#record_bytes.get(key) ?? 0)
    if (bytes === 0) this.#record_bytes.delete(key)
    else this.#record_bytes.set(key, bytes)
  }

  /** Writes the time, at the begin of a frame. */
  time(): void {
    if (!this.#writer.empty) return
    this.#writer.u8(KIND.time)
    this.#writer.number(this.now())
  }

  /** Begins a record, with room for all of it but its texts; the first of a frame comes after the time. */
  #begin(kind: number): void {
    this.#run_at = -1
    this.#writer.reserve(HEAD_MAX)
    this.time()
    this.#writer.u8(kind)
  }
}

import type { Entry } from '../../../core/mailbox/entry.ts'
import type { Client, Remembered } from '../../memory/client.ts'
import type { Clients } from '../../memory/clients.ts'
import type { DeadLetters, Numbered } from '../../memory/dead-letters.ts'
import type { MemoryRecords } from '../../memory/records.ts'
import type { AddressLog } from '../records/address-log.ts'
import type { Recorder } from '../records/recorder.ts'
import type { Contents } from './contents.ts'

/** What still lives somewhere, and is written anew by {@link relocate}. */
export interface Living {
  readonly clients: Clients
  readonly records: MemoryRecords
}

/** What is written anew goes to one of these. */
export type Rewriter = Pick<Recorder, 'changed' | 'lettersOf' | 'message' | 'letter' | 'key' | 'record'>

/**
 * Writes anew what is listed for a segment and still lives, so that the segment can be deleted. It stops
 * after each piece of work: a caller goes on while there is time. Between two pieces the engine may have
 * changed.
 */
export function* relocate(
  contents: Contents,
  recorder: Rewriter,
  { clients, records }: Living,
): Generator<void> {
  const { spans, again, addresses, letters, keys } = contents
  for (const log of addresses) {
    if (log.client && log.segment === contents.segment) recorder.changed(log.client)
    yield
  }
  for (const { log, from, through } of spans) {
    let before = from - 1
    while (log.client && before < through && log.client.mailbox.retained > 0) {
      const entry = log.client.mailbox.entries.after(before).next().value
      if (!entry || entry.offset > through) break
      before = entry.offset
      recorder.message(log, entry)
      yield
    }
    const { client } = log
    if (!client) continue
    // Last of all, since messages may have died or been overwritten between two pieces.
    recorder.lettersOf(log, clients.project(client.project).dead)
    const { evicted_through } = client.mailbox
    // What is gone from here is known by what the address says of its mailbox.
    if (evicted_through > log.said_evicted || (log.said_last < through && log.span?.through === through))
      recorder.changed(client)
    yield
  }
  for (const { log, offset } of again) {
    const { client } = log
    if (!client) continue
    recorder.lettersOf(log, clients.project(client.project).dead)
    const entry = client.mailbox.entries.at(offset)
    if (entry) recorder.message(log, entry)
    yield
  }
  for (const [project, numbers] of letters) {
    const { dead } = clients.project(project)
    for (const number of numbers) {
      const letter = dead.between(number, number)[0]
      if (letter) recorder.letter(letter)
      yield
    }
  }
  for (const { sender, key, kept } of keys) {
    if (sender.client?.idempotency?.get(key) === kept) recorder.key(sender, key, kept)
    yield
  }
  for (const { kind, project, id, version } of contents.records) {
    const value = records.valueOf(kind, project, id, version)
    if (value !== undefined || records.deletedIn(kind, project) === version)
      recorder.record(kind, project, id, version, value)
    yield
  }
}

/** Overwrites the history that lies in a segment. */
export function overwriteHistory({ spans, again }: Contents): void {
  for (const { log, through } of spans) log.client?.mailbox.overwriteThrough(through)
  for (const { log, offset } of again) log.client?.mailbox.overwriteThrough(offset)
}

/** @returns whether what lives in a segment takes about so many bytes at most when it is written anew */
export function fits(contents: Contents, living: Living, bytes_max: number): boolean {
  const weight = new Weight()
  for (const _ of relocate(contents, weight, living)) if (weight.bytes > bytes_max) return false
  return weight.bytes <= bytes_max
}

/** Bytes of a record besides its texts that vary, or more. */
const RECORD_BYTES = 256

/** Counts what a recorder would write. */
class Weight implements Rewriter {
  bytes = 0

  changed({ session }: Client): void {
    this.bytes += RECORD_BYTES + (session ? Buffer.byteLength(JSON.stringify(session)) : 0)
  }

  message(_: AddressLog, { message }: Entry): void {
    this.bytes += RECORD_BYTES + Buffer.byteLength(message.json)
  }

  lettersOf({ deaths }: AddressLog, dead: DeadLetters): void {
    for (const { number } of deaths) for (const letter of dead.between(number, number)) this.letter(letter)
  }

  letter({ letter }: Numbered): void {
    this.bytes += RECORD_BYTES + Buffer.byteLength(letter.message.json)
  }

  key(_: AddressLog, key: string, { first }: Remembered): void {
    this.bytes += RECORD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(JSON.stringify(first))
  }

  record(_kind: string, _project: string, _id: string, _version: number, value: unknown): void {
    this.bytes += RECORD_BYTES + (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)))
  }
}

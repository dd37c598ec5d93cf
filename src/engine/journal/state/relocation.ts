import type { Clients } from '../../memory/clients.ts'
import type { MemoryRecords } from '../../memory/records.ts'
import type { Recorder } from '../records/recorder.ts'
import type { Contents } from './contents.ts'

/** What still lives somewhere, and is written anew by {@link relocate}. */
export interface Living {
  readonly clients: Clients
  readonly records: MemoryRecords
}

/**
 * Writes anew what is listed for a segment and still lives, so that the segment can be deleted. It stops
 * after each piece of work: a caller goes on while there is time. Between two pieces the engine may have
 * changed.
 */
export function* relocate(
  contents: Contents,
  recorder: Recorder,
  { clients, records }: Living,
): Generator<void> {
  const { spans, again, addresses, letters, keys } = contents
  for (const log of addresses) {
    if (log.client && log.segment === contents.segment) recorder.changed(log.client)
    yield
  }
  for (const { log, from, through } of spans) {
    const { client } = log
    if (!client) continue
    recorder.lettersOf(log, clients.project(client.project).dead)
    const { mailbox } = client
    // What is gone from here is known by what the address says of its mailbox.
    const evicted = mailbox.evicted_through > log.said_evicted
    if (evicted || (log.said_last < through && log.span?.through === through)) recorder.changed(client)
    let before = from - 1
    while (before < through && mailbox.retained > 0) {
      const entry = mailbox.entries.after(before).next().value
      if (!entry || entry.offset > through) break
      before = entry.offset
      recorder.message(log, entry)
      yield
    }
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

/** What a record takes besides its texts, roughly. */
const RECORD_BYTES = 100

/** Whether what lives in a segment takes no more than so many bytes, roughly. Looks at no more than that. */
export function isLight(contents: Contents, bytes_max: number, { clients }: Living): boolean {
  const { spans, again, addresses, letters, keys, records } = contents
  let bytes = (addresses.length + keys.length + records.length) * RECORD_BYTES
  for (const { log, from, through } of spans) {
    if (!log.client) continue
    bytes += RECORD_BYTES + log.deaths.length * 2 * RECORD_BYTES
    for (const { offset, message } of log.client.mailbox.entries.after(from - 1)) {
      if (offset > through || bytes > bytes_max) break
      bytes += RECORD_BYTES + message.bytes
    }
    if (bytes > bytes_max) return false
  }
  for (const { log, offset } of again) {
    const entry = log.client?.mailbox.entries.at(offset)
    if (entry) bytes += RECORD_BYTES + entry.message.bytes
    if (bytes > bytes_max) return false
  }
  for (const [project, numbers] of letters)
    for (const number of numbers) {
      const letter = clients.project(project).dead.between(number, number)[0]
      if (letter) bytes += RECORD_BYTES + letter.letter.message.bytes
      if (bytes > bytes_max) return false
    }
  return bytes <= bytes_max
}

import type { AddressLog } from '../records/address-log.ts'
import type { Recorder } from '../records/recorder.ts'
import type { Holding } from './holding.ts'

/** Writes down all that lives, piece by piece: the caller takes what the recorder has after each. */
export function* restateAll(
  { clients, living_records }: Pick<Holding, 'clients' | 'living_records'>,
  recorder: Recorder,
): Generator<void> {
  for (const { kind, project, id, version, value } of living_records) {
    recorder.record(kind, project, id, version, value)
    yield
  }
  for (const project of clients.projects.values()) {
    for (const client of project.clients.values()) {
      const log = client.mailbox.effects as AddressLog
      recorder.changed(client)
      for (const entry of client.mailbox.entries.after(0)) {
        recorder.message(log, entry)
        yield
      }
      for (const [key, kept] of client.idempotency ?? []) recorder.key(log, key, kept)
      yield
    }
    for (const letter of project.dead.between(0, Number.MAX_SAFE_INTEGER)) {
      recorder.letter(letter)
      yield
    }
  }
}

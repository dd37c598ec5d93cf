import { bootId } from '../directory/boot-id.ts'
import { type BootNote, readBoot } from '../log/boot.ts'
import { Damage } from '../log/damage.ts'
import type { Disk } from '../log/disk.ts'
import { readLog, segmentFiles } from '../log/opening.ts'
import type { Cut } from '../log/verdict.ts'
import { Recorder } from '../records/recorder.ts'
import { Loaded } from '../state/loaded.ts'
import { type Counts, hold, messagesAstray } from './holding.ts'
import { type Gap, salvage } from './salvage.ts'

export interface CheckOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Told while the log is read, of bytes. */
  readonly progress?: ((read: number, total: number) => void) | undefined
}

/** What was found in a data directory. */
export interface Checked {
  /** Empty: it is as it was written. */
  readonly damage: readonly Gap[]
  /** A write that was broken off at the end of the log, which the next start cuts off; that is no damage. */
  readonly torn: Cut | undefined
  /** Of what a start brings back; where there is damage, of what can be read. */
  readonly counts: Counts
  readonly segments: number
  /** Of all segments. */
  readonly bytes: number
}

/** What can be read of a log, and what cannot. */
export interface ReadAll {
  readonly loaded: Loaded
  readonly recorder: Recorder
  readonly boot: BootNote | undefined
  readonly damage: Gap[]
  readonly torn: Cut | undefined
}

/** Reads all of a data directory, as a start does, and lists what is wrong. Changes nothing. */
export async function check(disk: Disk, options: CheckOptions): Promise<Checked> {
  const { loaded, recorder, damage, torn } = await readAll(disk, options)
  const files = segmentFiles({ disk })
  const { counts } = hold(loaded, recorder, options.now, undefined, () => 'checked')
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return { damage, torn, counts, segments: files.length, bytes }
}

/** Reads a log as a start does; if that finds damage, again, and passes over the damage. */
export async function readAll(disk: Disk, { now, progress }: CheckOptions): Promise<ReadAll> {
  const fresh = () => {
    const recorder = new Recorder(() => Math.max(now, loaded.newest_ms))
    const loaded: Loaded = new Loaded(recorder)
    return { recorder, loaded }
  }
  const first = fresh()
  const damage: Gap[] = []
  const boot = bootOf(disk, damage)
  let stopped: unknown
  try {
    const found = await readLog({ disk, boot_id: bootId(), progress }, (body, segment) =>
      first.loaded.read(body, segment),
    )
    if (found) damage.push(...astrayIn(found.files[0]!.name, first.loaded))
    return { ...first, boot, damage, torn: found?.cut }
  } catch (error) {
    stopped = error
  }
  const second = fresh()
  const gaps = await salvage({ disk, files: segmentFiles({ disk, progress }), boot }, (body, segment) =>
    second.loaded.read(body, segment),
  )
  damage.push(...gaps)
  // Neither that the note is damaged nor what the second reading has found says what the first stopped at.
  if (damage.length === 0) {
    if (!(stopped instanceof Damage)) throw stopped
    const { file, offset, what } = stopped
    damage.push({ file, offset, bytes: 0, frames: undefined, what })
  }
  return { ...second, boot, damage, torn: undefined }
}

/** The note of the last process; a damaged one is listed. */
function bootOf(disk: Disk, damage: Gap[]): BootNote | undefined {
  try {
    return readBoot(disk)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    const { file, offset, what } = error
    damage.push({ file, offset, bytes: 0, frames: undefined, what })
    return undefined
  }
}

function astrayIn(file: string, loaded: Loaded): Gap[] {
  const messages = messagesAstray(loaded)
  const what = `no record names the mailboxes of ${messages} messages: something older may be missing`
  return messages > 0 ? [{ file, offset: 0, bytes: 0, frames: undefined, what }] : []
}

import type { MaybePromise } from '../../../src/core/maybe-promise.ts'
import { Log, type LogOptions, type LogStart } from '../../../src/engine/journal/log/log.ts'
import { Random } from '../../simulation/random.ts'
import { driven, finished } from './driven.ts'
import { frame } from './frames.ts'
import { VirtualDisk } from './virtual-disk.ts'

/** A log on a virtual disk of a test's own, with what it has reported. */
export interface Bench extends LogStart {
  readonly disk: VirtualDisk
  /** Bodies of the frames that were read. */
  readonly bodies: readonly string[]
  readonly reports: string[]
  /** Milliseconds since the epoch, as the log sees them. */
  readonly clock: { now: number }
}

/** Opens a log. @throws what {@link Log.open} throws */
export async function openLog(
  disk = new VirtualDisk(new Random(1)),
  options: Partial<LogOptions> = {},
): Promise<Bench> {
  const bodies: string[] = []
  const reports: string[] = []
  const clock = { now: 1_000_000 }
  const opening = Log.open(
    {
      disk,
      level: 'full',
      boot_id: 'boot-1',
      segment_bytes: 4096,
      reserve_bytes: 1024,
      now: () => clock.now,
      report: (trouble) => reports.push(String(trouble)),
      note: (sentence) => reports.push(sentence),
      ...options,
    },
    (body) => bodies.push(Buffer.from(body).toString()),
  )
  const start = await driven(disk, opening)
  await driven(disk, start!.log.begin())
  return { ...start!, disk, bodies, reports, clock }
}

/** What has become of a commit. */
export interface Watched {
  state: 'waits' | 'done' | 'failed'
}

export function watched(committed: MaybePromise<void>): Watched {
  const watched: Watched = { state: 'waits' }
  Promise.resolve(committed).then(
    () => {
      watched.state = 'done'
    },
    () => {
      watched.state = 'failed'
    },
  )
  return watched
}

/** A commit of one append that is given all the time it needs. */
export async function append({ log, disk }: Bench, text: string): Promise<void> {
  await driven(disk, Promise.resolve(log.commit(frame('', text), true)))
}

/** One second later. */
export async function second({ log, disk, clock }: Bench): Promise<void> {
  clock.now += 1000
  log.tick()
  await finished(disk)
}

/** What a process finds that is started after this one died. */
export async function afterKill({ disk }: Bench): Promise<readonly string[]> {
  return (await openLog(disk.kill())).bodies
}

import type { Cursor } from '../../core/cursor.ts'
import { StartRefused, StorageFailed } from '../../core/errors.ts'
import { Histogram } from '../../core/histogram.ts'
import type { AckMode, Take } from '../../core/mailbox/entry.ts'
import type { Position } from '../../core/mailbox/position.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import type { SessionEnd } from '../../core/session.ts'
import type { EngineEvents } from '../engine.ts'
import { MemoryEngine, type MemoryEngineOptions } from '../memory/memory.ts'
import type { Batch } from '../memory/staging.ts'
import type {
  Address,
  Backup,
  CheckedIn,
  Checkin,
  EngineStats,
  Health,
  Opened,
  Read,
  Rewrite,
  Rewritten,
  Settle,
  Settled,
} from '../values.ts'
import { Damage } from './log/damage.ts'
import type { Disk } from './log/disk.ts'
import { Log, type LogStart } from './log/log.ts'
import { AddressLog } from './records/address-log.ts'
import { Recorder } from './records/recorder.ts'
import { Loaded } from './state/loaded.ts'
import { type Lost, restore } from './state/restore.ts'
import { Retention } from './state/retention.ts'

/** What an answered append survives: `normal` the death of the process, `full` that of the machine, too. */
export type JournalLevel = 'normal' | 'full'

/** What a journal is kept on. */
export interface Volume {
  /** For people. */
  readonly path: string
  readonly disk: Disk
  /** Names this run of the machine; undefined where nothing does. */
  readonly boot_id: string | undefined
  close(): void
}

export interface JournalOptions
  extends Omit<MemoryEngineOptions, 'commit' | 'effects' | 'refuses' | 'mustWrite'> {
  readonly level: JournalLevel
  /** Opens what the journal is kept on. @throws Error with one sentence for the operator */
  readonly open: () => MaybePromise<Volume>
  /** Told of faults. */
  readonly report: (trouble: unknown) => void
  /** Told in a sentence of what is no fault, and the operator should know. */
  readonly note: (sentence: string) => void
  /** Told of what cannot be mended while the process runs, which must end then. */
  readonly fatal: (reason: string) => void
  /** Told while the journal is read at the start, of bytes. */
  readonly progress?: ((loaded: number, total: number) => void) | undefined
  /** For tests: smaller than usual. */
  readonly segment_bytes?: number | undefined
  readonly reserve_bytes?: number | undefined
  readonly slack_bytes?: number | undefined
  /** For tests: milliseconds since any time, by which work is shared out. */
  readonly elapsed_ms?: (() => number) | undefined
}

/**
 * The memory engine, with a log of all that it does. A start reads the log. What a turn has done goes down
 * as one frame (`records/`), and appends are seen once that is written.
 */
export class JournalEngine extends MemoryEngine {
  override readonly stored = 'disk'
  readonly #recorder: Recorder
  readonly #clock: Clock
  #volume: Volume | undefined
  #log!: Log
  readonly #commits = new Histogram(COMMIT_BOUNDS)
  readonly #syncs = new Histogram(SYNC_BOUNDS)
  #refused = 0
  #begun = false
  #retention!: Retention

  constructor(private readonly journal: JournalOptions) {
    const clock = new Clock(journal.now)
    const recorder = new Recorder(clock.now)
    super({
      ...journal,
      now: clock.now,
      effects: recorder,
      commit: (batch) => this.#commit(batch),
      refuses: () => this.#refuses(),
      mustWrite: () => this.#mustWrite(),
    })
    this.#recorder = recorder
    this.#clock = clock
  }

  /** Reads what is stored. @throws Error with one sentence for the operator; nothing is changed then */
  override async start(events: EngineEvents): Promise<void> {
    super.start(events)
    this.#volume = await this.journal.open()
    try {
      await this.#load(this.#volume)
    } catch (error) {
      this.#volume.close()
      if (!(error instanceof Damage)) throw error
      const { path } = this.#volume
      const fix = `To save what can be read, run: mcp-broker data repair ${path}`
      throw new StartRefused(`In ${path}, ${error.message}.`, fix, { cause: error })
    }
  }

  async #load({ path, disk, boot_id }: Volume): Promise<void> {
    const { level, report, note, fatal, progress, segment_bytes, reserve_bytes, newEpoch, limits } =
      this.journal
    const loaded = new Loaded(this.#recorder)
    const start = await Log.open(
      {
        disk,
        level,
        boot_id,
        now: this.#clock.now,
        report,
        note,
        fatal,
        progress,
        segment_bytes,
        reserve_bytes,
      },
      (body, segment) => loaded.read(body, segment),
    )
    this.#log = start.log
    this.#log.observe = {
      written: (seconds) => this.#commits.add(seconds),
      synced: (seconds) => this.#syncs.add(seconds),
    }
    this.#clock.notBefore(loaded.newest_ms)
    this.#recorder.segment = start.log.segment
    const lost = lostBy(start)
    const { cut } = start
    if (cut)
      this.journal.note(
        `${path}/${cut.file} was cut at byte ${cut.offset}: the last write, ${cut.bytes} bytes, was torn.`,
      )
    if (lost) this.journal.note(start.restored ? RESTORED : LOST[lost])
    const { addresses: clients, checkins, records } = this
    restore(loaded, { clients, checkins, records }, { limits, now: this.#clock.now(), lost, newEpoch })
    const write = () => this.write()
    this.#retention = new Retention(
      start.log,
      this.#recorder,
      { clients, records },
      write,
      this.journal.slack_bytes,
      this.journal.elapsed_ms,
    )
    if (lost) this.#writeLost(lost)
    await this.#begin(lost === 'offsets')
  }

  /**
   * Notes that this process writes to the log.
   *
   * @param anew once the new epochs are on the disk: until then the next start makes others, as this one did
   */
  async #begin(anew: boolean): Promise<void> {
    this.#begun = true
    try {
      if (anew) await this.#log.sync()
      await this.#log.begin()
    } catch (error) {
      this.#begun = false
      // The note of an orderly stop must not stand over what is written from now on.
      if (!anew) throw error
      this.journal.report(error)
    }
  }

  /** The new epochs of all mailboxes, or the new attempts of all messages. */
  #writeLost(lost: NonNullable<Lost>): void {
    for (const { clients, dead } of this.addresses.projects.values())
      for (const client of clients.values()) {
        if (lost === 'offsets') this.#recorder.renamed(client, dead)
        else AddressLog.of(client).attempted(client)
        if (this.#recorder.pending_bytes > PIECE_BYTES) this.write()
      }
    this.write()
  }

  override async stop(): Promise<void> {
    if (!this.#volume) return
    this.write()
    try {
      await this.#log.close()
    } catch (error) {
      // The next start does without the note of an orderly stop.
      this.journal.report(error)
    }
    this.#volume.close()
    super.stop()
  }

  override flush(): MaybePromise<void> {
    if (this.mailroom.staging!.idle) this.#retention.step()
    return super.flush()
  }

  #commit(batch: Batch): MaybePromise<void> {
    const { appends, keyed, drained } = batch
    const waits = appends.length + keyed.length + drained.length > 0 || this.#recorder.must_sync
    const frame = this.#recorder.frame(batch)
    try {
      const committed = this.#log.commit(frame, waits)
      this.#recorder.must_sync = false
      return committed
    } finally {
      this.#recorder.reset()
      this.#recorder.segment = this.#log.segment
    }
  }

  /** Writes what no flush has taken: what time has done, and what is written anew. */
  write(): void {
    if (!this.#recorder.pending) return
    try {
      void this.#log.commit(this.#recorder.frame(undefined), false)
    } catch (error) {
      // The log keeps it, and writes it as soon as it can.
      this.journal.report(error)
    } finally {
      this.#recorder.reset()
      this.#recorder.segment = this.#log.segment
    }
  }

  override sweep(): void {
    super.sweep()
    this.#log.tick()
    if (!this.#begun && !this.#log.exhausted) void this.#begin(true)
    if (this.mailroom.staging!.idle) this.#retention.step()
    // Nobody may come to find out that writing works again. What fails is tried again by the log.
    if (this.#log.failing && !this.#log.exhausted) this.#recorder.time()
    this.write()
  }

  #refuses(): 'full' | StorageFailed | undefined {
    const { refuses } = this.#log
    if (refuses) this.#refused++
    return refuses === 'failed' ? new StorageFailed(this.#trouble()) : refuses
  }

  /** @throws StorageFailed where not even a note of a delivery can be written */
  #mustWrite(): void {
    if (this.#log.exhausted) throw new StorageFailed(this.#trouble())
  }

  #trouble(): string {
    const { trouble, free_bytes } = this.#log.status
    const free = free_bytes === undefined ? '' : ` (${free_bytes} bytes free)`
    return `${this.#volume!.path}${free}: ${trouble ?? 'nothing can be written'}`
  }

  override open(
    address: Address,
    after: Cursor | undefined,
    ack: AckMode,
    session_id: string | undefined,
  ): Opened | SessionEnd {
    if (ack !== 'none') this.#mustWrite()
    return super.open(address, after, ack, session_id)
  }

  override read(address: Address, position: Position | undefined, take: Take): Read | SessionEnd {
    if (take.ack !== 'none') this.#mustWrite()
    return super.read(address, position, take)
  }

  override settle(address: Address, settle: Settle): Settled | SessionEnd {
    this.#mustWrite()
    return super.settle(address, settle)
  }

  override checkin(checkin: Checkin): CheckedIn {
    this.#mustWrite()
    return super.checkin(checkin)
  }

  override rewrite(address: Address, rewrite: Rewrite): Rewritten {
    if (this.#log.refuses) throw new StorageFailed(this.#trouble())
    return super.rewrite(address, rewrite)
  }

  override health(): Health {
    return this.#log.refuses || this.#log.failing ? { ok: false, detail: this.#trouble() } : super.health()
  }

  async backup(): Promise<Backup> {
    // Loaded only here: most processes never make one.
    const { backupOf } = await import('./upkeep/backup.ts')
    const { level } = this.journal
    try {
      return await backupOf(this.#log, { disk: this.#volume!.disk, level, now: this.#clock.now() })
    } catch (cause) {
      throw new StorageFailed(this.#trouble(), { cause })
    }
  }

  override stats(project?: string): EngineStats {
    if (project !== undefined) return super.stats(project)
    const { bytes, segments, last_sync_at, trouble } = this.#log.status
    const journal = {
      bytes,
      live_bytes: this.#retention.live_bytes,
      segments,
      sync: this.journal.level,
      last_sync_at,
      trouble,
      refused: this.#refused,
      commits: this.#commits.timings,
      syncs: this.#syncs.timings,
    }
    return { ...super.stats(), journal }
  }
}

/** Upper bounds of the buckets of how long a write and a sync take, in seconds. */
const COMMIT_BOUNDS = [0.000_05, 0.000_2, 0.001, 0.005, 0.02, 0.1]
const SYNC_BOUNDS = [0.000_5, 0.002, 0.01, 0.05, 0.2, 1]

/** Bytes of one frame of what is written anew. */
const PIECE_BYTES = 256 * 1024

const LOST: Readonly<Record<NonNullable<Lost>, string>> = {
  offsets:
    'The machine stopped without warning: messages of the last second may be lost, and readers cannot resume by cursor.',
  deliveries:
    'The machine stopped without warning: what was delivered last may come again, with a higher attempt.',
}

const RESTORED =
  'This directory was restored from a backup: readers cannot resume by cursor, and get again what they read since.'

/** What the last process may have lost. */
function lostBy({ how, level_before, restored }: LogStart): Lost {
  if (restored) return 'offsets'
  if (how !== 'other_boot') return undefined
  return level_before === 'full' ? 'deliveries' : 'offsets'
}

/** A clock that never shows a time before what the log has. */
class Clock {
  #floor = 0

  constructor(private readonly real: () => number) {}

  readonly now = (): number => Math.max(this.real(), this.#floor)

  notBefore(ms: number): void {
    this.#floor = ms
  }
}

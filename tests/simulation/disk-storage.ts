import type { Limits } from '../../src/core/limits.ts'
import { JournalEngine, type JournalLevel } from '../../src/engine/journal/journal.ts'
import type { Disk } from '../../src/engine/journal/log/disk.ts'
import { numberOf } from '../../src/engine/journal/log/segments.ts'
import { VirtualDisk } from '../engine/journal/virtual-disk.ts'
import { DiskFacts, isExhausted } from './disk-facts.ts'
import type { Ending } from './found.ts'
import type { Ledger } from './ledger.ts'
import type { Random } from './random.ts'
import { SYNCED, WRITTEN } from './stage.ts'
import type { Storage } from './storage.ts'

const SEGMENT_BYTES = 16 * 1024
const RESERVE_BYTES = 4 * 1024

/** A fault put into the journal, or between it and the disk. */
export interface DiskFault {
  readonly disk?: (disk: Disk) => Disk
  readonly engine?: (engine: JournalEngine) => void
  readonly newEpoch?: () => string
}

/** A journal on a disk that outlives it: one engine after the other. */
export class DiskStorage implements Storage {
  readonly slow = true
  readonly fails = true
  readonly counted = false
  readonly failed = false
  readonly facts: DiskFacts
  disk: VirtualDisk
  engine: JournalEngine
  level: JournalLevel
  /** Since it was last judged, its power was cut off. */
  #power = false
  /** What it has said may not be so any more: its power was cut off, or a sync has failed with `full`. */
  #effects_lost = false
  /** It could not write when it died. */
  #unwritten = false
  /** The disk was full at some time. */
  was_full = false
  #fatal = false
  /** Whether it has come as far as to serve, and then lost its power with `normal`. */
  #serves = true
  #new_epochs = false
  #boot = 1
  #elapsed = 0
  readonly #slack: number

  constructor(
    private readonly random: Random,
    private readonly limits: Limits,
    private readonly now: () => number,
    private readonly ledger: Ledger,
    private readonly fault: DiskFault,
  ) {
    this.facts = new DiskFacts(ledger, now)
    this.disk = new VirtualDisk(random)
    this.disk.copies_on_write = random.chance(0.3)
    this.level = random.chance(0.5) ? 'full' : 'normal'
    // Where it is negative, segments are written anew even if most of what they hold lives.
    this.#slack = random.pick([-4, -2, 0]) * SEGMENT_BYTES
    this.engine = this.#newEngine()
  }

  get dead(): boolean {
    return this.disk.dead
  }

  get waiting(): number {
    return this.dead ? 0 : this.disk.pending
  }

  /** How many segments were deleted so far. */
  get dropped(): number {
    const numbers = this.disk.list().flatMap(({ name }) => numberOf(name) ?? [])
    return Math.min(...numbers) - 1
  }

  #newEngine(): JournalEngine {
    const { disk, random, level, limits, fault } = this
    const boot_id = `boot-${this.#boot}`
    const volume = { path: 'disk', disk: fault.disk?.(disk) ?? disk, boot_id, close() {} }
    const engine = new JournalEngine({
      limits: () => limits,
      now: this.now,
      newId: () => crypto.randomUUID(),
      newEpoch: fault.newEpoch ?? (() => `e${random.between(0, 2 ** 40).toString(36)}`),
      level,
      open: () => volume,
      report: () => undefined,
      note: () => undefined,
      fatal: () => {
        this.#fatal = true
        disk.dead = true
      },
      segment_bytes: SEGMENT_BYTES,
      reserve_bytes: RESERVE_BYTES,
      slack_bytes: this.#slack,
      // A few pieces of what is written anew to each step.
      elapsed_ms: () => (this.#elapsed += 0.1),
    })
    fault.engine?.(engine)
    const alive = () => !disk.dead
    this.ledger.watch(engine, alive)
    this.facts.watch(engine, level === 'full', alive, () => disk.pending === 0)
    return engine
  }

  /** Lets the disk do some of what it was asked for. */
  work(): void {
    if (this.dead) return
    for (let steps = this.random.between(0, 2); steps > 0 && this.disk.pending > 0; steps--) this.disk.step()
  }

  /** What the disk was asked for may have been done. To be called when all promises have run. */
  settle(): void {
    if (this.dead || this.disk.pending > 0) return
    this.facts.idle(() => this.engine.stats().journal?.trouble === undefined)
  }

  /** Has syncs and writes fail from here on. */
  break(syncs: number, writes: number): void {
    this.disk.sync_failures = syncs
    this.disk.write_failures = writes
    if (syncs > 0 && this.level === 'full') this.#effects_lost = true
  }

  mend(): void {
    this.disk.space = Number.POSITIVE_INFINITY
    this.disk.sync_failures = 0
    this.disk.write_failures = 0
    this.disk.short_writes = 0
    this.disk.fuse = Number.POSITIVE_INFINITY
  }

  /** The process has died, or it dies now. Another one comes, over what is left of the disk. */
  next(power: boolean): void {
    const { random } = this
    this.disk = power ? this.disk.powerCut() : this.disk.kill()
    if (this.#serves) this.#new_epochs = power && this.level === 'normal'
    this.#serves = false
    // What it could not write, others may have been given.
    if (isExhausted(this.engine)) this.#unwritten = true
    if (power) {
      this.#power = true
      if (this.level === 'normal') this.#effects_lost = true
      this.#boot++
    }
    if (random.chance(0.5)) this.disk.space = Number.POSITIVE_INFINITY
    this.disk.short_writes = random.chance(0.2) ? 0.2 : 0
    this.disk.quick = random.pick([0, 0, 0.5, 1])
    if (random.chance(0.2)) this.level = random.pick(['normal', 'full'])
    this.engine = this.#newEngine()
  }

  /**
   * How the processes ended that were not judged yet; the first of them has served.
   *
   * @param in_order it was stopped, and nothing may be lost
   */
  ending(in_order: boolean): Ending {
    const power = this.#power && !in_order
    const changes = power || this.#effects_lost ? SYNCED : WRITTEN
    const undone = power || this.#fatal
    const words = !this.#effects_lost && !this.#unwritten && !(power && this.facts.failed)
    const new_epochs = this.#new_epochs && !in_order
    const written = !isExhausted(this.engine)
    this.facts.failed = false
    this.#serves = true
    this.#new_epochs = false
    this.#power = false
    this.#effects_lost = false
    this.#unwritten = false
    this.#fatal = false
    return {
      messages: power ? SYNCED : WRITTEN,
      changes,
      words,
      new_epochs,
      written,
      undone,
      was_full: this.was_full,
      now: this.now(),
    }
  }
}

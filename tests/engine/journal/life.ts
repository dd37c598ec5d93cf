import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import { Log, type LogStart } from '../../../src/engine/journal/log/log.ts'
import { Random } from '../../simulation/random.ts'
import { driven, turn } from './driven.ts'
import { Loading, Store, type StoreLog } from './store.ts'
import { VirtualDisk } from './virtual-disk.ts'

/** A fault put into the store, between it and the log, or between the log and the disk. */
export interface Plant {
  readonly store?: typeof Store
  readonly log?: (log: Log) => StoreLog
  readonly disk?: (disk: Disk) => Disk
}

export interface Counts {
  turns: number
  kills: number
  power_cuts: number
  stops: number
  failed_syncs: number
  full: number
}

const LIVES = 5
const SEGMENTS_MAX = 5

/** One log through several lives of its process, with everything that chance does to its disk. */
export class Simulation {
  readonly #random: Random
  readonly #full: boolean
  readonly #store: Store
  readonly #segment_bytes: number
  #disk: VirtualDisk
  #boot = 1
  #now = 1_000_000
  #dies: string | undefined

  constructor(
    seed: number,
    private readonly plant: Plant,
    private readonly counts: Counts,
  ) {
    this.#random = new Random(seed)
    this.#full = this.#random.chance(0.5)
    this.#store = new (plant.store ?? Store)(this.#random, this.#full)
    this.#disk = new VirtualDisk(this.#random)
    this.#segment_bytes = this.#random.pick([1024, 2048, 4096])
  }

  /** @throws Error that says what went wrong */
  async run(): Promise<void> {
    const random = this.#random
    let crash: 'clean' | 'kill' | 'power' | undefined
    let exhausted = false
    for (let life = 0; life < LIVES; life++) {
      if (random.chance(0.2)) this.#disk.fuse = random.between(1, 12)
      const loading = new Loading()
      const start = await this.#open(loading)
      if (start) {
        if (crash) this.#judge(start, loading, crash, exhausted)
        this.#store.restart(loading)
        const log = this.plant.log?.(start.log) ?? start.log
        const stopped = await this.#live(log)
        exhausted = log.exhausted
        if (this.#dies !== undefined) return
        crash = stopped ? 'clean' : 'kill'
      } else {
        // It died while it started: what it had to find is still to be found.
        crash = crash === 'power' ? 'power' : 'kill'
      }
      // A stop that has not come to its end may have been noted or not.
      const power = random.chance(0.5)
      if (power && crash !== 'clean') crash = 'power'
      this.#disk = power ? this.#disk.powerCut() : this.#disk.kill()
      if (power) this.#boot++
      this.counts[power ? 'power_cuts' : 'kills']++
      if (crash === 'clean') this.counts.stops++
    }
  }

  #judge(
    { how, cut }: LogStart,
    loading: Loading,
    crash: 'clean' | 'kill' | 'power',
    exhausted: boolean,
  ): void {
    const problem = loading.problem ?? this.#store.check(loading, crash, exhausted)
    if (problem) throw new Error(`${crash}, ${this.#full ? 'full' : 'normal'}: ${problem}`)
    if (crash === 'clean' && (how !== 'clean' || cut)) throw new Error(`stopped in order, but ${how}`)
  }

  /** @returns undefined when it died meanwhile */
  async #open(loading: Loading): Promise<LogStart | undefined> {
    const disk = this.#disk
    const opening = Log.open(
      {
        disk: this.plant.disk?.(disk) ?? disk,
        level: this.#full ? 'full' : 'normal',
        boot_id: `boot-${this.#boot}`,
        segment_bytes: this.#segment_bytes,
        reserve_bytes: this.#segment_bytes / 4,
        now: () => this.#now,
        report: () => undefined,
        fatal: (reason) => {
          this.#dies = reason
        },
      },
      (body, segment) => loading.visit(body, segment),
    ).then(async (start) => {
      await start.log.begin()
      return start
    })
    return driven(disk, opening)
  }

  /** @returns whether it was stopped in order */
  async #live(log: StoreLog): Promise<boolean> {
    const random = this.#random
    const disk = this.#disk
    const store = this.#store
    store.dead = () => disk.dead
    disk.fuse = random.chance(0.8) ? random.between(1, 150) : Number.POSITIVE_INFINITY
    disk.short_writes = random.chance(0.2) ? 0.2 : 0
    disk.copies_on_write = random.chance(0.3)
    disk.quick = random.pick([0, 0, 0.5, 1])
    const faults = random.chance(0.4)
    const full = random.chance(0.3)
    for (let step = random.between(5, 80); step > 0 && !disk.dead && this.#dies === undefined; step--) {
      const chance = random.next()
      if (chance < 0.4) {
        store.turn(log)
        this.counts.turns++
      } else if (chance < 0.5) {
        this.#now += random.between(100, 1500)
        log.tick()
      } else if (chance < 0.55) void store.sync(log)
      else if (chance < 0.65 && (log.segment - log.oldest >= SEGMENTS_MAX || random.chance(0.3)))
        void store.relocate(log)
      else if (chance < 0.68 && faults) {
        disk.sync_failures = random.pick([1, 1, 2, 3, 1000, 0])
        if (disk.sync_failures > 0) this.counts.failed_syncs++
        if (random.chance(0.3)) disk.write_failures = random.between(1, 4)
      } else if (chance < 0.71 && full) {
        disk.space = random.chance(0.5) ? Number.POSITIVE_INFINITY : disk.used + random.between(0, 600)
        this.counts.full++
      } else for (let i = random.between(1, 4); i > 0; i--) disk.step()
      await turn()
    }
    if (disk.dead || this.#dies !== undefined || random.chance(0.5)) return false
    disk.sync_failures = 0
    disk.write_failures = 0
    disk.space = Number.POSITIVE_INFINITY
    try {
      return (
        (await driven(
          disk,
          log.close().then(() => true),
        )) ?? false
      )
    } catch {
      return false
    }
  }
}

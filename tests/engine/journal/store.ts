import { type Frame, HEAD_BYTES } from '../../../src/engine/journal/log/frame.ts'
import type { Log } from '../../../src/engine/journal/log/log.ts'
import type { Random } from '../../simulation/random.ts'

/** What the store asks of a log, so that a test can put a fault in between. */
export type StoreLog = Pick<
  Log,
  'commit' | 'sync' | 'drop' | 'close' | 'tick' | 'segment' | 'oldest' | 'exhausted' | 'refuses' | 'status'
>

/** What is known of one entry. Entries are numbered and never come twice. */
interface Known {
  /** Appended: asked for, answered, or answered as failed. */
  append: 'asked' | 'done' | 'failed'
  /** A sync that was asked for after it was answered has resolved. */
  append_synced: boolean
  removal: 'none' | 'asked' | 'written'
  removal_synced: boolean
}

/** What the log gave back at a start. */
export interface Found {
  /** Entries, each with the segment that it is in. */
  readonly live: Map<number, number>
}

/**
 * Entries over a log, as an engine would keep them: appended, removed, and written again before their segment
 * is deleted. Knows what each crash may leave.
 */
export class Store {
  readonly known = new Map<number, Known>()
  live = new Map<number, number>()
  next = 1
  relocating = false
  /** The process is dead, and nothing counts any more. */
  dead = () => false

  constructor(
    private readonly random: Random,
    private readonly full: boolean,
  ) {}

  /** The frame of one turn: removals first, then appends. */
  turn(log: StoreLog): void {
    const removed: number[] = []
    const live = [...this.live.keys()]
    const removals = log.exhausted ? 0 : this.random.between(0, 2)
    for (let i = 0; i < removals && live.length > 4; i++) {
      const id = this.random.pick(live)
      if (!this.live.delete(id)) continue
      removed.push(id)
      this.known.get(id)!.removal = 'asked'
    }
    const appends: number[] = []
    const count = this.random.chance(0.3) ? 0 : this.random.between(1, 3)
    for (let i = 0; i < count; i++) {
      appends.push(this.next)
      this.known.set(this.next++, {
        append: 'asked',
        append_synced: false,
        removal: 'none',
        removal_synced: false,
      })
    }
    this.#commit(
      log,
      frame(
        removed.map((id) => `-${id}`),
        appends.map((id) => this.#append(id)),
      ),
      appends,
    )
  }

  #append(id: number): string {
    return `+${id}${'x'.repeat(this.random.chance(0.05) ? this.random.between(500, 3000) : this.random.between(0, 90))}`
  }

  #commit(log: StoreLog, frame: Frame, appends: readonly number[]): void {
    const done = () => {
      if (this.dead()) return
      for (const id of appends) {
        this.known.get(id)!.append = 'done'
        this.live.set(id, segment)
      }
    }
    const failed = () => {
      // What a dead process would have answered nobody hears.
      if (this.dead()) return
      for (const id of appends) this.known.get(id)!.append = 'failed'
    }
    let segment = 0
    try {
      const committed = log.commit(frame, this.full && (appends.length > 0 || this.random.chance(0.2)))
      segment = log.segment
      if (committed instanceof Promise) committed.then(done, failed)
      else done()
    } catch {
      failed()
    }
    // The caller may use the bytes again.
    frame.bytes.fill(0xff)
    if (log.exhausted || this.dead()) return
    for (const known of this.known.values()) if (known.removal === 'asked') known.removal = 'written'
  }

  /** Asks for a sync, and notes what is on the disk once it is done. */
  async sync(log: StoreLog): Promise<boolean> {
    const answered = [...this.known].filter(([, { append }]) => append !== 'asked').map(([id]) => id)
    const removed = [...this.known].filter(([, { removal }]) => removal !== 'none').map(([id]) => id)
    try {
      await log.sync()
    } catch {
      return false
    }
    if (this.dead()) return false
    for (const id of answered) this.known.get(id)!.append_synced = true
    for (const id of removed) this.known.get(id)!.removal_synced = true
    return true
  }

  /** Writes again what lives in the oldest segment, and deletes that. */
  async relocate(log: StoreLog): Promise<void> {
    if (this.relocating || log.exhausted) return
    this.relocating = true
    try {
      const { oldest } = log
      while (log.oldest === oldest && oldest < log.segment) {
        const ids = [...this.live].filter(([, segment]) => segment === oldest).map(([id]) => id)
        for (let i = 0; i < ids.length; i += 5) this.#writeAgain(log, ids.slice(i, i + 5))
        if (!(await this.restated(log))) return
        // What waited for that sync may be in it as well.
        if ([...this.live.values()].includes(oldest)) continue
        await log.drop(oldest)
      }
    } catch {
      // The disk does not do it at present.
    } finally {
      this.relocating = false
    }
  }

  /** Waits until what was written again is on the disk. @returns whether it is */
  protected restated(log: StoreLog): Promise<boolean> {
    return this.sync(log)
  }

  #writeAgain(log: StoreLog, ids: readonly number[]): void {
    log.commit(
      frame(
        ids.map((id) => `=${id}`),
        [],
      ),
      false,
    )
    for (const id of ids) this.live.set(id, log.segment)
  }

  /** Compares what the log gave back with what it has to. */
  check({ live }: Found, crash: 'clean' | 'kill' | 'power', exhausted: boolean): string | undefined {
    for (const [id, known] of this.known) {
      const there = live.has(id)
      const { append, append_synced, removal, removal_synced } = known
      const kept = append === 'done' && (crash !== 'power' || this.full || append_synced)
      if (!there && kept && removal === 'none') return `entry ${id} is lost (${JSON.stringify(known)})`
      if (!there) continue
      if (append === 'failed' && (crash !== 'power' || append_synced))
        return `entry ${id} had failed, and is there`
      const gone =
        removal_synced ||
        (crash === 'kill' && removal === 'written' && !exhausted) ||
        (crash === 'clean' && removal !== 'none')
      if (gone) return `entry ${id} was removed, and is there (${JSON.stringify(known)})`
    }
    for (const id of live.keys()) if (!this.known.has(id)) return `entry ${id} was never appended`
    return undefined
  }

  /** Goes on from what the log gave back. */
  restart({ live }: Found): void {
    this.live = live
    this.relocating = false
    this.known.clear()
    for (const id of live.keys())
      this.known.set(id, { append: 'done', append_synced: true, removal: 'none', removal_synced: false })
  }
}

function frame(effects: readonly string[], appends: readonly string[]): Frame {
  const effect_text = effects.map((text) => `${text}\n`).join('')
  const text = effect_text + appends.map((append) => `${append}\n`).join('')
  const bytes = new Uint8Array(HEAD_BYTES + text.length)
  for (let i = 0; i < text.length; i++) bytes[HEAD_BYTES + i] = text.charCodeAt(i)
  return { bytes, length: bytes.length, appends_at: HEAD_BYTES + effect_text.length }
}

/** Reads the frames that a store has written. */
export class Loading implements Found {
  readonly live = new Map<number, number>()
  #appended = 0
  problem: string | undefined

  visit(body: Uint8Array, segment: number): void {
    for (const line of Buffer.from(body).toString('latin1').split('\n')) {
      if (line === '') continue
      const id = Number.parseInt(line.slice(1), 10)
      if (line[0] === '-') this.live.delete(id)
      else if (line[0] === '=') this.live.set(id, segment)
      else {
        if (id <= this.#appended) this.problem = `entry ${id} comes after ${this.#appended}`
        this.#appended = id
        this.live.set(id, segment)
      }
    }
  }
}

import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import type { Due, Take } from '../../../src/core/mailbox/entry.ts'
import { createMessage } from '../../../src/core/message.ts'
import { JournalEngine, type JournalOptions } from '../../../src/engine/journal/journal.ts'
import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import type { Appended } from '../../../src/engine/values.ts'
import { Random } from '../../simulation/random.ts'
import { NOBODY } from './nobody.ts'
import { difference, type State, stateOf } from './state-of.ts'
import { VirtualDisk } from './virtual-disk.ts'

export const PROJECT = 'p'
export const AT = (client_id: string) => ({ project: PROJECT, client_id })

/** Nothing is refused or forgotten for want of room in memory. */
const BOUNDLESS: Partial<Limits> = {
  mailbox_messages_max: 1_000_000,
  mailbox_bytes_max: 1_000_000_000,
  stored_bytes_max: 1_000_000_000,
  ttl_seconds: 3600,
}

/** Ends what takes time on a virtual disk soon after it has begun, until it is disposed of. */
export class Motor implements Disposable {
  readonly #timer: Timer

  constructor(disk: () => VirtualDisk) {
    this.#timer = setInterval(() => {
      while (disk().pending > 0) disk().step()
    }, 1)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

let epochs = 0

/** A journal at a path `/data`, unless it is opened elsewhere; with the usual limits, but for some. */
export function journalOn({
  limits,
  disk,
  boot_id = 'boot',
  report,
  ...options
}: Partial<Omit<JournalOptions, 'limits' | 'report'>> & {
  readonly limits?: Partial<Limits>
  readonly now: () => number
  readonly disk: Disk
  readonly boot_id?: string
  readonly report: (trouble: string) => void
}): JournalEngine {
  const complete = { ...DEFAULT_LIMITS, ...limits }
  return new JournalEngine({
    limits: () => complete,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${(epochs++).toString(36)}`,
    level: 'normal',
    open: () => ({ path: '/data', disk, boot_id, close() {} }),
    report: (trouble) => report(trouble instanceof Error ? trouble.message : `${trouble}`),
    note: report,
    fatal: report,
    ...options,
  })
}

export type BenchOptions = Partial<
  Pick<JournalOptions, 'level' | 'segment_bytes' | 'reserve_bytes' | 'slack_bytes'>
> & { readonly limits?: Partial<Limits>; readonly around?: (disk: Disk) => Disk }

/** A journal on a virtual disk, whose process can be killed, with a clock that stands until it is moved. */
export class Bench {
  now = Date.UTC(2026, 0, 31, 12)
  disk = new VirtualDisk(new Random(1))
  engine!: JournalEngine
  /** What the operator was told. */
  readonly reports: string[] = []
  readonly notes: string[] = []
  /** Every death, with whether its bounce was stored. */
  readonly died: { readonly message_id: string; readonly bounced: boolean }[] = []
  /** Id of the message that was sent last. */
  last_id = ''
  #numbers = 0

  private constructor(private readonly options: BenchOptions) {}

  static async start(options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(options)
    await bench.#start()
    return bench
  }

  async #start(): Promise<void> {
    const { limits, around, ...sizes } = this.options
    this.engine = journalOn({
      ...sizes,
      limits: { ...BOUNDLESS, ...limits },
      now: () => this.now,
      disk: around?.(this.disk) ?? this.disk,
      report: (trouble) => void this.reports.push(trouble),
      note: (sentence) => void this.notes.push(sentence),
    })
    using _ = new Motor(() => this.disk)
    await this.engine.start({
      ...NOBODY,
      died: ({ message: { message_id } }, bounced) => void this.died.push({ message_id, bounced }),
    })
  }

  /** `kill -9`, and a start. */
  async kill(): Promise<void> {
    this.disk = this.disk.kill()
    await this.#start()
  }

  /** A stop in order. */
  async stop(): Promise<void> {
    using _ = new Motor(() => this.disk)
    await this.engine.stop()
  }

  /** A stop in order, and a start. */
  async restart(): Promise<void> {
    await this.stop()
    await this.kill()
  }

  /** Appends one message, and ends the turn. @returns its outcome; `failed` if the flush failed */
  send(to: string, chars: number, ttl_seconds = 3600): Appended['outcome'] | 'failed' {
    const { outcome } = this.append(to, chars, ttl_seconds)
    try {
      this.engine.flush()
    } catch {
      return 'failed'
    }
    return outcome
  }

  append(to: string, chars: number, ttl_seconds = 3600): Appended {
    this.last_id = Bun.randomUUIDv7()
    const content = { payload: { n: ++this.#numbers, text: 'x'.repeat(chars) } }
    const message = createMessage(content, 'sender', to, this.last_id, this.now, ttl_seconds)
    return this.engine.append(PROJECT, message, to) as Appended
  }

  /** Sends until that is refused. @returns how many were stored, and what the first other one was answered */
  async fill(to: string, chars: number): Promise<{ stored: number; refused: string }> {
    for (let stored = 0; ; stored++) {
      const refused = this.send(to, chars)
      if (refused !== 'stored') return { stored, refused }
      if (stored % 100 === 0) await this.work()
    }
  }

  /** Lets the disk end all that takes time. */
  async work(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      for (; this.disk.pending > 0; idle = 0) this.disk.step()
      await new Promise(setImmediate)
    }
  }

  take(from: string, ack: Take['ack'], limit = 1_000_000): readonly Due[] {
    const read = this.engine.read(AT(from), undefined, { limit, bytes_max: Number.MAX_SAFE_INTEGER, ack })
    if (typeof read === 'string') throw new Error(read)
    this.engine.flush()
    return read.due
  }

  /** Acknowledges one message, in a turn of its own. */
  acknowledge(from: string, message_id: string): number {
    const settled = this.engine.settle(AT(from), { message_ids: [message_id] })
    if (typeof settled === 'string') throw new Error(settled)
    this.engine.flush()
    return settled.settled
  }

  /** Lets time pass in steps of a second, each with a sweep, and what the disk does meanwhile. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.now += 1000
      this.engine.flush()
      this.engine.sweep()
      await this.work()
    }
  }

  get state(): State {
    return stateOf(this.engine, this.now)
  }

  /** How what is there differs from what was before a start; undefined if it does not. */
  difference(before: State): string | undefined {
    return difference(before, this.state, this.now)
  }
}

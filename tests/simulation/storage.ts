import type { Limits } from '../../src/core/limits.ts'
import type { Take } from '../../src/core/mailbox/entry.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import { planted } from '../faults/plant.ts'
import { slowEngine } from '../slow-engine.ts'
import type { Ledger } from './ledger.ts'
import type { Random } from './random.ts'

/** Calls that may fail where the engine is elsewhere. */
const FAILING: ReadonlySet<string> = new Set<keyof Engine>([
  'append',
  'appendToMany',
  'open',
  'read',
  'settle',
  'history',
  'rewrite',
  'checkin',
  'client',
  'clients',
])

/** Where a world's messages are kept. */
export interface Storage {
  readonly engine: Engine
  /** Whether the engine answers with promises, or its commits take turns. */
  readonly slow: boolean
  /** Whether calls may fail. */
  readonly fails: boolean
  /** Whether what the broker counts is all that there was, and once. */
  readonly counted: boolean
  /** What waits in an engine that is elsewhere, or for a disk. */
  readonly waiting: number
  /** The last commit failed: bounces may wait for the next. */
  readonly failed: boolean
  /** Nothing happens any more: the process has died. */
  readonly dead: boolean
}

/** An engine in memory as chance has it, here or elsewhere, with commits or without. */
export class MemoryStorage implements Storage {
  readonly engine: Engine
  readonly slow: boolean
  readonly fails: boolean
  readonly counted: boolean
  readonly dead = false
  waiting = 0
  failures = 0
  failed = false

  constructor(
    private readonly random: Random,
    limits: Limits,
    now: () => number,
    private readonly ledger: Ledger,
  ) {
    const engine = planted(
      new MemoryEngine({
        limits: () => limits,
        now,
        newId: () => crypto.randomUUID(),
        newEpoch: () => `e${this.random.between(0, 2 ** 40).toString(36)}`,
        commit: this.random.chance(0.5) ? () => this.#commit() : undefined,
      }),
    )
    ledger.watch(engine)
    const far = this.random.chance(0.4)
    this.fails = far
    this.counted = !far
    this.slow = far || engine.flushes
    this.engine = far ? this.#elsewhere(engine) : engine
  }

  /** A commit that takes no time, or a turn or two, and that may fail. */
  #commit(): void | Promise<void> {
    const staged = this.ledger.takeStaged()
    const fails = this.random.chance(0.1)
    this.failed = fails
    if (!fails && this.random.chance(0.5)) return
    return turns(this.random.between(0, 2)).then(() => {
      if (!fails) return
      this.ledger.undo(staged)
      throw new Error('no space left')
    })
  }

  /**
   * Whether a call fails. Not a read that acknowledges: such a read is done and answered, or an engine has
   * not done it.
   */
  #fails(method: string, args: readonly unknown[]): 'before' | 'after' | undefined {
    if (!FAILING.has(method) || !this.random.chance(0.02)) return undefined
    const acknowledges = method === 'read' && (args[2] as Take).ack === 'auto'
    this.failures++
    return acknowledges || this.random.chance(0.5) ? 'before' : 'after'
  }

  #elsewhere(engine: Engine): Engine {
    return slowEngine(engine, {
      turns: () => this.random.between(0, 2),
      doubles: () => this.random.chance(0.1),
      loses: () => this.random.chance(0.05),
      fails: (method, args) => this.#fails(method, args),
      waits: (by) => {
        this.waiting += by
      },
    })
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

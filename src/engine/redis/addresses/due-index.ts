import { Deadlines } from '../../../core/deadlines.ts'
import type { Address } from '../../values.ts'
import type { Noted } from '../mailbox/calls.ts'
import { type Command, type Run, script, tagPart } from '../script.ts'
import claimDue from './claim-due.lua' with { type: 'text' }

export const CLAIM_DUE = script('claim-due', claimDue)

const PARTS = 16
/** Parts that one sweep looks at. */
const PARTS_A_SWEEP = 2
const CLAIMED_MAX = 64
/** An instance that dies with what it has claimed holds it up so long, in milliseconds. */
const CLAIM_MS = 5000
/** An instance that dies while it buries what has died holds that up so long, in milliseconds. */
const BURIED_MS = 5000
/** Addresses whose time this instance remembers. */
const KNOWN_MAX = 100_000

export interface DueIndexOptions {
  readonly run: Run
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
  /** Names this process: each begins at another part. */
  readonly instance: string
}

/**
 * When each address has something to do. What this instance has heard of it does in time; the rest, it and
 * the others find in the index, a part at a time.
 */
export class DueIndex {
  readonly #known = new Map<string, number>()
  #deadlines = new Deadlines<Address>()
  #part: number

  constructor(private readonly options: DueIndexOptions) {
    this.#part = partOf(options.instance)
  }

  /** An address is due at a time, in milliseconds since the epoch, or earlier. */
  note(address: Address, due_ms: number): void {
    if (due_ms === Number.POSITIVE_INFINITY) return
    const name = nameOf(address)
    if ((this.#known.get(name) ?? Number.POSITIVE_INFINITY) <= due_ms) return
    this.#known.set(name, due_ms)
    this.#deadlines.push(due_ms, address)
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!)
    // One that is lost is noted again by whoever next does something with the address.
    this.options.command('ZADD', this.#key(name), 'LT', due_ms, name).catch(() => undefined)
  }

  /** As {@link note}, of an address that is not noted yet, and the index has it when this ends. */
  async keep(address: Address, due_ms: number): Promise<void> {
    const name = nameOf(address)
    await this.options.command('ZADD', this.#key(name), due_ms, name)
  }

  /** Addresses that are due. Each is to be reported by {@link done}. */
  async claim(now: number): Promise<Address[]> {
    const due = new Map<string, Address>()
    for (let found = this.#deadlines.popDue(now); found; found = this.#deadlines.popDue(now)) {
      const name = nameOf(found)
      if ((this.#known.get(name) ?? Number.POSITIVE_INFINITY) <= now) due.set(name, found)
    }
    for (let i = 0; i < PARTS_A_SWEEP; i++) {
      this.#part = (this.#part + 1) % PARTS
      const key = `${this.options.prefix}{due:${this.#part}}`
      const names = await this.options.run(CLAIM_DUE, [key], [now, now + CLAIM_MS, CLAIMED_MAX])
      for (const name of names as string[]) due.set(name, addressOf(name))
    }
    return [...due.values()]
  }

  /** What was due at an address is done. @param due_ms when it is due next; may be Infinity */
  async done(address: Address, due_ms: number): Promise<void> {
    const name = nameOf(address)
    this.#known.delete(name)
    if (due_ms === Number.POSITIVE_INFINITY) await this.options.command('ZREM', this.#key(name), name)
    else {
      this.#known.set(name, due_ms)
      this.#deadlines.push(due_ms, address)
      await this.options.command('ZADD', this.#key(name), due_ms, name)
    }
  }

  #key(name: string): string {
    return `${this.options.prefix}{due:${partOf(name)}}`
  }
}

/**
 * When an address is to be looked at again, in milliseconds since the epoch, by what a call answered: soon
 * where something is yet to be buried, in case whoever does that ends before it is done.
 */
export function nextLook({ due_ms, dying }: Pick<Noted, 'due_ms' | 'dying'>, now: number): number {
  return dying > 0 ? Math.min(due_ms, now + BURIED_MS) : due_ms
}

function partOf(name: string): number {
  return Number(BigInt.asUintN(32, BigInt(Bun.hash(name)))) % PARTS
}

/** A client id has no slash. */
function nameOf({ project, client_id }: Address): string {
  return `${tagPart(project)}/${client_id}`
}

function addressOf(name: string): Address {
  const end = name.lastIndexOf('/')
  return { project: decodeURIComponent(name.slice(0, end)), client_id: name.slice(end + 1) }
}

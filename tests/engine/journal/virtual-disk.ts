import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import type { Random } from '../../simulation/random.ts'

/** The process or the machine died in the middle of this. */
export class Crash extends Error {}

/** Bytes that a disk writes whole or not at all. */
const PIECE_BYTES = 64

function failed(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/**
 * A file's content: in the page cache, as programs see it, and on the platter, as it is after a power cut.
 */
class Inode {
  cache: Uint8Array = new Uint8Array(0)
  platter: Uint8Array = new Uint8Array(0)
  /** Pieces that the cache still has to bring to the platter, each with the number of its last write. */
  readonly dirty = new Map<number, number>()

  resize(size: number): void {
    const cache = new Uint8Array(size)
    cache.set(this.cache.subarray(0, size))
    this.cache = cache
    for (const piece of [...this.dirty.keys()]) if (piece * PIECE_BYTES >= size) this.dirty.delete(piece)
  }

  put(at: number, bytes: Uint8Array, write: number): void {
    if (at + bytes.length > this.cache.length) this.resize(at + bytes.length)
    this.cache.set(bytes, at)
    const last = Math.floor((at + bytes.length - 1) / PIECE_BYTES)
    for (let piece = Math.floor(at / PIECE_BYTES); piece <= last; piece++) this.dirty.set(piece, write)
  }

  /** Brings pieces to the platter as they were. */
  store(cache: Uint8Array, pieces: Iterable<number>, size: number): void {
    const platter = new Uint8Array(size)
    platter.set(this.platter.subarray(0, size))
    this.platter = platter
    for (const piece of pieces) {
      const from = piece * PIECE_BYTES
      if (from < size) this.platter.set(cache.subarray(from, Math.min(from + PIECE_BYTES, size)), from)
    }
  }
}

/** A name that was made, changed or removed. */
interface Renaming {
  readonly from?: string
  readonly to?: string
  readonly inode?: Inode
}

/**
 * A disk in memory that dies when it is told to. What takes time is done by {@link step}, in chance order.
 * `kill` leaves what was written; a power cut leaves of what was not synced what chance leaves.
 */
export class VirtualDisk implements Disk {
  /** Operations until the process dies in the middle of one. */
  fuse = Number.POSITIVE_INFINITY
  dead = false
  /** Bytes that all files may have. */
  space = Number.POSITIVE_INFINITY
  /** Writes need free space even where there is something already. */
  copies_on_write = false
  /** Syncs and writes that fail from here on, and then work again. */
  sync_failures = 0
  write_failures = 0
  short_writes = 0
  /** How often the disk is synced on the thread that asks for it. */
  quick = 0
  #names = new Map<string, Inode>()
  #platter_names = new Map<string, Inode>()
  #renamings: Renaming[] = []
  #pending: (() => void)[] = []
  #writes = 0

  constructor(private readonly random: Random) {}

  get pending(): number {
    return this.#pending.length
  }

  get used(): number {
    let used = 0
    for (const { cache } of this.#names.values()) used += cache.length
    return used
  }

  /** Ends one of the operations that take time. */
  step(): void {
    const at = this.random.between(0, this.#pending.length - 1)
    const [end] = this.#pending.splice(at, 1)
    end?.()
  }

  write(file: string, at: number, bytes: Uint8Array): number {
    const dies = this.#burn()
    const inode = this.#names.get(file)
    let length = bytes.length
    const growth = Math.max(0, at + length - (inode?.cache.length ?? 0))
    const free = Math.max(0, this.space - this.used)
    if (growth > free) length = Math.max(0, length - (growth - free))
    if (this.copies_on_write && free === 0) length = 0
    const broken = this.write_failures > 0
    if (broken) {
      this.write_failures--
      length = this.random.between(0, length)
    } else if (length > 1 && this.random.chance(this.short_writes)) length = this.random.between(1, length)
    if (dies) length = this.random.between(0, length)
    if (length > 0) this.#made(file).put(at, bytes.subarray(0, length), ++this.#writes)
    if (dies) throw new Crash('write')
    if (broken) throw failed('EIO')
    if (length === 0 && bytes.length > 0) throw failed('ENOSPC')
    return length
  }

  sync(file: string): Promise<void> {
    if (this.dead) return new Promise(() => undefined)
    const inode = this.#names.get(file)
    if (!inode) return Promise.reject(failed('ENOENT'))
    return this.#later(this.#syncOf(inode))
  }

  syncHere(file: string): boolean {
    if (!this.random.chance(this.quick)) return false
    const sync = this.#syncOf(this.#inode(file))
    if (this.#burn()) {
      if (this.random.chance(0.5)) sync()
      throw new Crash('sync')
    }
    sync()
    return true
  }

  /** Brings to the platter what the cache has at this moment, when it is called. */
  #syncOf(inode: Inode): () => void {
    const was = new Map(inode.dirty)
    const cache = inode.cache.slice()
    return () => {
      const fails = this.sync_failures > 0
      if (fails) this.sync_failures--
      // Failed or not, the system takes the pages for written.
      for (const [piece, write] of was) if (inode.dirty.get(piece) === write) inode.dirty.delete(piece)
      const stored = fails ? [...was.keys()].filter(() => this.random.chance(0.5)) : was.keys()
      inode.store(cache, stored, fails ? Math.max(cache.length, inode.platter.length) : cache.length)
      if (fails) throw failed('EIO')
    }
  }

  truncate(file: string, size: number): void {
    if (this.#burn()) throw new Crash('truncate')
    this.#inode(file).resize(size)
  }

  rename(from: string, to: string): void {
    if (this.#burn()) throw new Crash('rename')
    const inode = this.#inode(from)
    this.#names.delete(from)
    this.#names.set(to, inode)
    this.#renamings.push({ from, to, inode })
  }

  remove(file: string): void {
    if (this.#burn()) throw new Crash('remove')
    this.#inode(file)
    this.#names.delete(file)
    this.#renamings.push({ from: file })
  }

  syncDirectory(): Promise<void> {
    if (this.dead) return new Promise(() => undefined)
    const renamings = this.#renamings.length
    const last = this.#renamings[renamings - 1]
    return this.#later(() => {
      if (this.sync_failures > 0) {
        this.sync_failures--
        throw failed('EIO')
      }
      const through = last ? this.#renamings.indexOf(last) + 1 : 0
      for (const renaming of this.#renamings.splice(0, through)) this.#apply(renaming)
    })
  }

  list(): { name: string; size: number }[] {
    return [...this.#names].map(([name, { cache }]) => ({ name, size: cache.length }))
  }

  read(file: string, at: number, length: number): Uint8Array {
    if (this.dead) throw new Crash('read')
    return this.#inode(file).cache.slice(at, at + length)
  }

  prepare(file: string, size: number): Promise<void> {
    if (this.dead) return new Promise(() => undefined)
    return this.#later(() => {
      if (this.used + size > this.space) throw failed('ENOSPC')
      if (this.#names.has(file)) this.remove(file)
      const inode = this.#made(file)
      inode.cache = new Uint8Array(size)
      inode.platter = new Uint8Array(size)
    })
  }

  free(): number {
    return Math.max(0, this.space - this.used)
  }

  close(): void {}

  /** The process dies here at the latest. @returns the disk that the next one finds */
  kill(): VirtualDisk {
    this.dead = true
    const next = new VirtualDisk(this.random)
    next.#names = this.#names
    next.#platter_names = this.#platter_names
    next.#renamings = this.#renamings
    next.#writes = this.#writes
    next.space = this.space
    next.copies_on_write = this.copies_on_write
    return next
  }

  /** A disk with the same files, all of them synced. */
  copy(): VirtualDisk {
    const copy = new VirtualDisk(this.random)
    for (const [name, { cache }] of this.#names) copy.#settled(name, cache.slice())
    return copy
  }

  #settled(name: string, content: Uint8Array): void {
    const inode = new Inode()
    inode.cache = content
    inode.platter = content.slice()
    this.#names.set(name, inode)
    this.#platter_names.set(name, inode)
  }

  /** The machine dies. @returns the disk that it finds when it is started again */
  powerCut(): VirtualDisk {
    this.dead = true
    const next = new VirtualDisk(this.random)
    next.space = this.space
    next.copies_on_write = this.copies_on_write
    for (const renaming of this.#renamings.slice(0, this.random.between(0, this.#renamings.length)))
      this.#apply(renaming)
    for (const [name, inode] of this.#platter_names) next.#settled(name, this.#left(inode))
    return next
  }

  /** What is left of a file: each piece that was not synced is as before or as after. */
  #left({ cache, platter, dirty }: Inode): Uint8Array {
    const sizes = [
      platter.length,
      cache.length,
      this.random.between(0, 1) === 0 ? platter.length : cache.length,
    ]
    const size =
      cache.length > platter.length
        ? this.random.between(platter.length, cache.length)
        : this.random.pick(sizes)
    const left = new Uint8Array(size)
    left.set(platter.subarray(0, size))
    for (const piece of dirty.keys()) {
      const from = piece * PIECE_BYTES
      if (from < size && this.random.chance(0.5))
        left.set(cache.subarray(from, Math.min(from + PIECE_BYTES, size)), from)
    }
    return left
  }

  /** @returns whether the process dies in this operation */
  #burn(): boolean {
    if (this.dead) throw new Crash('dead')
    if (--this.fuse > 0) return false
    this.dead = true
    return true
  }

  #later(end: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push(() => {
        if (this.dead) return
        if (--this.fuse <= 0) {
          this.dead = true
          return
        }
        try {
          end()
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #inode(file: string): Inode {
    const inode = this.#names.get(file)
    if (!inode) throw failed('ENOENT')
    return inode
  }

  #made(file: string): Inode {
    let inode = this.#names.get(file)
    if (!inode) {
      inode = new Inode()
      this.#names.set(file, inode)
      this.#renamings.push({ to: file, inode })
    }
    return inode
  }

  #apply({ from, to, inode }: Renaming): void {
    if (from !== undefined) this.#platter_names.delete(from)
    if (to !== undefined && inode) this.#platter_names.set(to, inode)
  }

  /** The bytes of a file, to be changed in place. */
  bytes(file: string): Uint8Array {
    return this.#inode(file).cache
  }
}

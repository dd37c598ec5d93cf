import { JournalEngine, type JournalOptions } from '../../../src/engine/journal/journal.ts'
import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import type { MemoryEngineOptions } from '../../../src/engine/memory/memory.ts'

/** A journal on a disk, which must tell of no trouble. */
export function journalIn(
  disk: Disk,
  options: MemoryEngineOptions,
  journal: Partial<JournalOptions> = {},
): JournalEngine {
  return new JournalEngine({
    ...options,
    level: 'full',
    open: () => ({ path: 'memory', disk, boot_id: 'boot', close() {} }),
    report: fault,
    note: fault,
    fatal: fault,
    ...journal,
  })
}

function fault(trouble: unknown): never {
  throw trouble
}

/** Files in memory, which never fail; syncing takes one turn of promises. */
export class MemoryDisk implements Disk {
  readonly #files: Map<string, Uint8Array>

  constructor(files: Iterable<readonly [string, Uint8Array]> = []) {
    this.#files = new Map(files)
  }

  /** As the files are now: what a process would find that starts after this one was killed. */
  copy(): MemoryDisk {
    return new MemoryDisk(this.files())
  }

  /** A copy of the files. */
  files(): (readonly [string, Uint8Array])[] {
    return [...this.#files].map(([name, bytes]) => [name, bytes.slice()] as const)
  }

  write(file: string, at: number, bytes: Uint8Array): number {
    const before = this.#files.get(file) ?? new Uint8Array(0)
    const end = at + bytes.length
    const after = end > before.length ? new Uint8Array(end) : before
    if (after !== before) after.set(before)
    after.set(bytes, at)
    this.#files.set(file, after)
    return bytes.length
  }

  async sync(): Promise<void> {}

  /** A disk that others build on, whose syncs take time. */
  syncHere(): boolean {
    return false
  }

  truncate(file: string, size: number): void {
    this.#files.set(file, this.#files.get(file)!.slice(0, size))
  }

  rename(from: string, to: string): void {
    this.#files.set(to, this.#files.get(from)!)
    this.#files.delete(from)
  }

  remove(file: string): void {
    this.#files.delete(file)
  }

  async syncDirectory(): Promise<void> {}

  list(): { name: string; size: number }[] {
    return [...this.#files].map(([name, { length }]) => ({ name, size: length }))
  }

  read(file: string, at: number, length: number): Uint8Array {
    return this.#files.get(file)!.slice(at, at + length)
  }

  async prepare(file: string, size: number): Promise<void> {
    this.#files.set(file, new Uint8Array(size))
  }

  free(): number {
    return 1e12
  }

  close(): void {}
}

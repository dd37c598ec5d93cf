import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Disk } from './disk.ts'
import { SyncPace } from './sync-pace.ts'

/** Zeros are written in steps of this many bytes, so that other work of the thread pool comes in between. */
const STEP_BYTES = 256 * 1024
const FILE_MODE = 0o600
/** Not emptied, and made when it is not there. */
const OPEN_TO_WRITE = constants.O_RDWR | constants.O_CREAT

const syncData = promisify(fdatasync)

/** A file that is written to. */
interface OpenFile {
  readonly descriptor: number
  /** Syncs under way; a descriptor that is closed under them may be another file's by then. */
  syncs: number
  closing: boolean
}

/**
 * A directory of the machine. A file stays open from its first write until it is closed, renamed over or
 * removed.
 */
export class NodeDisk implements Disk {
  readonly #open = new Map<string, OpenFile>()
  readonly #pace = new SyncPace()
  /** Files being prepared: the disk is busy with them, and a sync waits. */
  #preparing = 0

  constructor(readonly directory: string) {}

  write(file: string, at: number, bytes: Uint8Array): number {
    return writeSync(this.#file(file).descriptor, bytes, 0, bytes.length, at)
  }

  async sync(file: string): Promise<void> {
    const opened = this.#file(file)
    opened.syncs++
    const started_ms = performance.now()
    try {
      await syncData(opened.descriptor)
      this.#pace.elsewhere(performance.now() - started_ms)
    } finally {
      opened.syncs--
      if (opened.closing && opened.syncs === 0) closeSync(opened.descriptor)
    }
  }

  syncHere(file: string): boolean {
    if (!this.#pace.quick || this.#preparing > 0) return false
    const started_ms = performance.now()
    fdatasyncSync(this.#file(file).descriptor)
    this.#pace.here(performance.now() - started_ms)
    return true
  }

  truncate(file: string, size: number): void {
    const opened = this.#open.get(file)
    if (opened) ftruncateSync(opened.descriptor, size)
    else truncateSync(join(this.directory, file), size)
  }

  rename(from: string, to: string): void {
    renameSync(join(this.directory, from), join(this.directory, to))
    this.close(to)
    const opened = this.#open.get(from)
    if (!opened) return
    this.#open.delete(from)
    this.#open.set(to, opened)
  }

  remove(file: string): void {
    this.close(file)
    rmSync(join(this.directory, file))
  }

  async syncDirectory(): Promise<void> {
    await using handle = await open(this.directory, 'r')
    await handle.sync()
  }

  list(): { name: string; size: number }[] {
    return readdirSync(this.directory).flatMap((name) => {
      const found = statSync(join(this.directory, name), { throwIfNoEntry: false })
      return found?.isFile() ? [{ name, size: found.size }] : []
    })
  }

  read(file: string, at: number, length: number): Uint8Array {
    const descriptor = openSync(join(this.directory, file), 'r')
    try {
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, fstatSync(descriptor).size - at)))
      let done = 0
      while (done < bytes.length) {
        const read = readSync(descriptor, bytes, done, bytes.length - done, at + done)
        if (read === 0) break
        done += read
      }
      return bytes.subarray(0, done)
    } finally {
      closeSync(descriptor)
    }
  }

  async prepare(file: string, size: number): Promise<void> {
    this.#preparing++
    try {
      await this.#prepare(file, size)
    } finally {
      this.#preparing--
    }
  }

  async #prepare(file: string, size: number): Promise<void> {
    const path = join(this.directory, file)
    this.close(file)
    if (this.free() < size) throw Object.assign(new Error(`no space for ${path}`), { code: 'ENOSPC' })
    await using handle = await open(path, 'w', FILE_MODE)
    try {
      const zeros = new Uint8Array(Math.min(STEP_BYTES, size))
      let at = 0
      while (at < size) {
        const { bytesWritten } = await handle.write(zeros, 0, Math.min(zeros.length, size - at), at)
        at += bytesWritten
      }
      await handle.sync()
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    }
  }

  free(): number {
    const { blocks, bavail, bsize } = statfsSync(this.directory)
    // Some file systems do not count.
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  }

  close(file: string): void {
    const opened = this.#open.get(file)
    if (!opened) return
    this.#open.delete(file)
    if (opened.syncs > 0) opened.closing = true
    else closeSync(opened.descriptor)
  }

  #file(file: string): OpenFile {
    let opened = this.#open.get(file)
    if (!opened) {
      const descriptor = openSync(join(this.directory, file), OPEN_TO_WRITE, FILE_MODE)
      opened = { descriptor, syncs: 0, closing: false }
      this.#open.set(file, opened)
    }
    return opened
  }
}

import { closeSync, fsyncSync, mkdirSync, openSync, rmdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DirectoryError, fromSystem, noParent, notADirectory } from '../directory/directory-error.ts'
import { hasFormat, syncDirectory } from '../directory/format.ts'
import { takeLock } from '../directory/lock.ts'
import { writeBoot } from '../log/boot.ts'
import { NodeDisk } from '../log/node-disk.ts'
import { numberOf } from '../log/segments.ts'
import { type Checked, type CheckOptions, check } from './check.ts'
import type { Manifest } from './manifest.ts'
import { type BackupFiles, BackupRefused, receiveBackup } from './received.ts'

export interface Restored {
  readonly manifest: Manifest
  readonly checked: Checked
}

/** The file `format` until all is well: without it nothing starts on the directory. */
const FORMAT_LATER = 'format.tmp'

/**
 * Makes a data directory of a backup, in a directory that is empty or not there. Its next start gives new
 * epochs. Nothing is left of it when it fails.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @throws BackupRefused, DirectoryError; the error of the file system, or of `chunks`
 */
export async function restoreBackup(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  by: string,
  options: CheckOptions,
): Promise<Restored> {
  const at = resolve(path)
  const undo: (() => void)[] = []
  try {
    if (makeEmpty(at, by)) undo.push(() => rmdirSync(at))
    const lock = takeLock(at)
    undo.push(() => lock.release())
    if (lock.made) undo.push(() => rmSync(join(at, 'lock'), { force: true }))
    const written = new WrittenFiles(at)
    undo.push(() => written.remove())
    const manifest = await receiveBackup(chunks, written)
    const checked = await finish(at, by, manifest, options, undo)
    lock.release()
    return { manifest, checked }
  } catch (error) {
    for (const step of undo.reverse()) attempt(step)
    throw fromSystem(error, at)
  }
}

async function finish(
  at: string,
  by: string,
  { level, end, files }: Manifest,
  options: CheckOptions,
  undo: (() => void)[],
): Promise<Checked> {
  const disk = new NodeDisk(at)
  const oldest = numberOf(files[1]!.name)!
  undo.push(() => rmSync(join(at, 'boot'), { force: true }))
  await writeBoot(disk, { level, clean: { ...end, oldest }, restored: true })
  const checked = await check(disk, options)
  const [first] = checked.damage
  if (first)
    throw new BackupRefused(
      `The backup holds a damaged log: ${first.file}, byte ${first.offset}: ${first.what}.`,
    )
  undo.push(() => rmSync(join(at, 'format'), { force: true }))
  disk.rename(FORMAT_LATER, 'format')
  // A format that this version does not know is refused.
  hasFormat(at, by)
  syncDirectory(at)
  syncDirectory(dirname(at))
  return checked
}

/** @returns whether it was not there @throws DirectoryError for one with something in it */
function makeEmpty(at: string, by: string): boolean {
  const found = statSync(at, { throwIfNoEntry: false })
  if (found && !found.isDirectory()) throw notADirectory(at)
  if (found) {
    if (!hasFormat(at, by)) return false
    throw new DirectoryError('unusable', `${at} has data already: restore into a directory that is empty.`)
  }
  try {
    mkdirSync(at, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ENOENT' || code === 'ENOTDIR' ? noParent(at, dirname(at), code) : error
  }
  return true
}

/** The files of a backup in a directory, each synced. */
class WrittenFiles implements BackupFiles {
  readonly #paths: string[] = []
  #descriptor: number | undefined

  constructor(private readonly directory: string) {}

  begin(name: string): void {
    const path = join(this.directory, name === 'format' ? FORMAT_LATER : name)
    this.#paths.push(path)
    this.#descriptor = openSync(path, 'w', 0o600)
  }

  content(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#descriptor!, bytes, done, bytes.length - done)
  }

  end(): void {
    fsyncSync(this.#descriptor!)
    this.#close()
  }

  remove(): void {
    this.#close()
    for (const path of this.#paths) rmSync(path, { force: true })
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

/** A step of going back; the error that is thrown says why. */
function attempt(step: () => void): void {
  try {
    step()
  } catch {
    // What the other steps can do is not held up.
  }
}

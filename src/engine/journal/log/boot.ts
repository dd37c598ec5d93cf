import { Damage } from './damage.ts'
import { type Disk, writeAll } from './disk.ts'
import type { Position } from './frame.ts'

export type Level = 'normal' | 'full'

/** What a process notes when it starts and when it stops in order: the file `boot`, JSON. */
export interface BootNote {
  /** Of the machine's boot; undefined where there is none. */
  readonly boot_id?: string | undefined
  readonly level: Level
  /** Only after a stop in order: the end of the log, and its oldest segment. */
  readonly clean?: (Position & { readonly oldest: number }) | undefined
  /** The log comes from a backup: nobody knows what was read and sent since that was taken. */
  readonly restored?: true | undefined
}

const FILE = 'boot'
/** The note until it is whole. */
export const TEMPORARY = 'boot.tmp'
const BYTES_MAX = 4096
const MEMBERS: ReadonlySet<string> = new Set<keyof BootNote>(['boot_id', 'level', 'clean', 'restored'])

/** @returns undefined when there is none @throws Damage */
export function readBoot(disk: Disk): BootNote | undefined {
  if (!disk.list().some(({ name }) => name === FILE)) return undefined
  const text = new TextDecoder().decode(disk.read(FILE, 0, BYTES_MAX))
  let note: unknown
  try {
    note = JSON.parse(text)
  } catch {
    throw new Damage(FILE, 0, 'it is not JSON')
  }
  if (!isBootNote(note)) throw new Damage(FILE, 0, 'it has other fields than expected')
  return note
}

/** Replaces the note. @throws what the disk throws; then the old one is still there, or the new one */
export async function writeBoot(disk: Disk, note: BootNote): Promise<void> {
  if (disk.list().some(({ name }) => name === TEMPORARY)) disk.remove(TEMPORARY)
  try {
    writeAll(disk, TEMPORARY, 0, new TextEncoder().encode(`${JSON.stringify(note)}\n`))
    await disk.sync(TEMPORARY)
    disk.close(TEMPORARY)
    disk.rename(TEMPORARY, FILE)
  } catch (error) {
    try {
      disk.remove(TEMPORARY)
    } catch {
      // It is removed at the next start.
    }
    throw error
  }
  await disk.syncDirectory()
}

/**
 * Without a note the next start takes everything with care, as after a power cut. @throws what the disk
 * throws
 */
export async function removeBoot(disk: Disk): Promise<void> {
  if (!disk.list().some(({ name }) => name === FILE)) return
  disk.remove(FILE)
  await disk.syncDirectory()
}

function isBootNote(value: unknown): value is BootNote {
  if (typeof value !== 'object' || value === null) return false
  const note = value as Record<string, unknown>
  return (
    Object.keys(note).every((key) => MEMBERS.has(key)) &&
    (note.boot_id === undefined || typeof note.boot_id === 'string') &&
    (note.level === 'normal' || note.level === 'full') &&
    (note.clean === undefined || isEnd(note.clean)) &&
    (note.restored === undefined || note.restored === true)
  )
}

function isEnd(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const end = value as Record<string, unknown>
  return ['segment', 'offset', 'oldest'].every((key) => Number.isSafeInteger(end[key]))
}

import { crc32 } from 'node:zlib'
import type { Backup } from '../../values.ts'
import type { Level } from '../log/boot.ts'
import type { Disk } from '../log/disk.ts'
import type { Log } from '../log/log.ts'
import { numberOf } from '../log/segments.ts'
import { BACKUP, crcText, type Listed, MANIFEST, type Manifest } from './manifest.ts'
import { headerOf, type Member, paddingOf, trailer } from './tar.ts'

export interface BackupOptions {
  readonly disk: Disk
  readonly level: Level
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Bytes that are read at once; other work comes in between. */
const PIECE_BYTES = 256 * 1024
const FORMAT = 'format'
const FORMAT_BYTES_MAX = 4096

/**
 * Syncs a log, and keeps its segments until the copy is made, or given up: a tar archive of the file
 * `format`, the segments up to the end of what is synced, and the manifest.
 *
 * @throws Error when nothing can be synced
 */
export async function backupOf(log: Log, options: BackupOptions): Promise<Backup> {
  const { files, release } = await log.pin()
  const chunks = archive(files, options)
  return {
    chunks,
    release: () => {
      release()
      void chunks.return()
    },
  }
}

async function* archive(
  segments: readonly Member[],
  { disk, level, now }: BackupOptions,
): AsyncGenerator<Uint8Array, void> {
  const time = Math.floor(now / 1000)
  const files: Listed[] = []
  const format = disk.read(FORMAT, 0, FORMAT_BYTES_MAX)
  for (const member of [{ name: FORMAT, size: format.length }, ...segments]) {
    const { name, size } = member
    yield headerOf(member, time)
    let crc = 0
    for (let at = 0; at < size; ) {
      await new Promise(setImmediate)
      const bytes = disk.read(name, at, Math.min(PIECE_BYTES, size - at))
      if (bytes.length === 0) throw new Error(`${name} has become shorter than ${size} bytes`)
      crc = crc32(bytes, crc)
      at += bytes.length
      yield bytes
    }
    yield paddingOf(size)
    files.push({ name, size, crc32: crcText(crc) })
  }
  const last = segments.at(-1)!
  const manifest: Manifest = {
    backup: BACKUP,
    by: (JSON.parse(new TextDecoder().decode(format)) as { by: string }).by,
    taken_at: new Date(now).toISOString(),
    level,
    end: { segment: numberOf(last.name)!, offset: last.size },
    files,
  }
  const json = new TextEncoder().encode(`${JSON.stringify(manifest)}\n`)
  yield headerOf({ name: MANIFEST, size: json.length }, time)
  yield json
  yield paddingOf(json.length)
  yield trailer()
}

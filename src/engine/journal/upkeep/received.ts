import { crc32 } from 'node:zlib'
import type { MaybePromise } from '../../../core/maybe-promise.ts'
import { numberOf } from '../log/segments.ts'
import {
  crcText,
  type Listed,
  MANIFEST,
  MANIFEST_BYTES_MAX,
  type Manifest,
  parseManifest,
} from './manifest.ts'
import { ArchiveError, type Member, type MemberReader, readArchive } from './tar.ts'

/** A backup is not whole, or not what a broker gave. The message is one sentence. */
export class BackupRefused extends Error {}

/** What a frame's header can name. */
const SEGMENT_BYTES_MAX = 2 ** 32
const FORMAT_BYTES_MAX = 4096

/** Where the files of a backup go. */
export interface BackupFiles {
  /** @param name `format`, or that of a segment; each comes once */
  begin(name: string): MaybePromise<void>
  content(bytes: Uint8Array): MaybePromise<void>
  end(): MaybePromise<void>
}

/**
 * Reads a backup, and holds each file to the manifest.
 *
 * @param files takes what comes, before it is known to be whole
 * @throws BackupRefused
 */
export async function receiveBackup(
  chunks: AsyncIterable<Uint8Array>,
  files?: BackupFiles | undefined,
): Promise<Manifest> {
  const received = new Received(files)
  try {
    await readArchive(chunks, received)
    return received.manifest()
  } catch (error) {
    if (error instanceof ArchiveError) throw new BackupRefused(`The backup cannot be used: ${error.message}.`)
    throw error
  }
}

class Received implements MemberReader {
  readonly #files: Listed[] = []
  readonly #names = new Set<string>()
  #manifest = ''
  #member: Member = { name: '', size: 0 }
  #crc = 0

  constructor(private readonly files: BackupFiles | undefined) {}

  begin(member: Member): MaybePromise<void> {
    const { name, size } = member
    const size_max = sizeMaxOf(name)
    if (size_max === undefined) throw new ArchiveError(`${JSON.stringify(name)} does not belong in it`)
    if (size > size_max) throw new ArchiveError(`${name} in it has ${size} bytes`)
    if (this.#manifest !== '' || this.#names.has(name))
      throw new ArchiveError(`${name} is in it twice, or after the manifest`)
    this.#names.add(name)
    this.#member = member
    this.#crc = 0
    if (name !== MANIFEST) return this.files?.begin(name)
  }

  content(bytes: Uint8Array): MaybePromise<void> {
    if (this.#member.name === MANIFEST) {
      this.#manifest += Buffer.from(bytes).toString('latin1')
      return
    }
    this.#crc = crc32(bytes, this.#crc)
    return this.files?.content(bytes)
  }

  end(): MaybePromise<void> {
    const { name, size } = this.#member
    if (name === MANIFEST) return
    this.#files.push({ name, size, crc32: crcText(this.#crc) })
    return this.files?.end()
  }

  /** @throws ArchiveError */
  manifest(): Manifest {
    const manifest = parseManifest(this.#manifest)
    if (!manifest) throw new ArchiveError('it has no manifest that this version knows')
    for (const [i, { name, size, crc32 }] of manifest.files.entries()) {
      const file = this.#files[i]
      if (file?.name !== name) throw new ArchiveError(`${name} is missing`)
      if (file.size !== size || file.crc32 !== crc32)
        throw new ArchiveError(`${name} in it is not what the broker gave`)
    }
    if (this.#files.length > manifest.files.length) throw new ArchiveError('it has more files than it says')
    return manifest
  }
}

/** @returns undefined for a name that no backup has */
function sizeMaxOf(name: string): number | undefined {
  if (name === 'format') return FORMAT_BYTES_MAX
  if (name === MANIFEST) return MANIFEST_BYTES_MAX
  return numberOf(name) === undefined ? undefined : SEGMENT_BYTES_MAX
}

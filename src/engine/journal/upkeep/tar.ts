import type { MaybePromise } from '../../../core/maybe-promise.ts'

/** A file in an archive. */
export interface Member {
  readonly name: string
  readonly size: number
}

/** Takes what an archive holds, in order. What it throws ends the reading. */
export interface MemberReader {
  /** A file begins. */
  begin(member: Member): MaybePromise<void>
  /** More of its content. The bytes may be overwritten later. */
  content(bytes: Uint8Array): MaybePromise<void>
  /** It is whole. */
  end(): MaybePromise<void>
}

/** An archive is broken off, or is none that we write. */
export class ArchiveError extends Error {}

/** The unit of an archive. Source: POSIX.1-2017, pax, ustar interchange format. */
const BLOCK_BYTES = 512
/** Names and sizes as the header has room for them: 100 bytes, and 11 octal digits. */
const NAME_BYTES_MAX = 100
const SIZE_MAX = 0o77777777777

/** The header of a plain file, which only its owner can read. @param time in seconds since the epoch */
export function headerOf({ name, size }: Member, time: number): Uint8Array {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX || size > SIZE_MAX)
    throw new RangeError(`${name} (${size} bytes) does not fit into the header of an archive`)
  const header = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, at: number, bytes: number) =>
    header.write(value.toString(8).padStart(bytes - 1, '0'), at, 'latin1')
  header.write(name, 0)
  octal(0o600, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(time, 136, 12)
  header.write('        0', 148, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  octal(checksum(header), 148, 7)
  return header
}

/** What comes after the content of a file: up to the next whole block. */
export function paddingOf(size: number): Uint8Array {
  return new Uint8Array(-size & (BLOCK_BYTES - 1))
}

/** What ends an archive. */
export function trailer(): Uint8Array {
  return new Uint8Array(2 * BLOCK_BYTES)
}

/**
 * Reads an archive of plain files, with no more than a chunk and a block of it in memory. Anything that is
 * no plain file is refused: long names, links, sparse files and such are not read.
 *
 * @param chunks of any length
 * @throws ArchiveError
 */
export async function readArchive(chunks: AsyncIterable<Uint8Array>, reader: MemberReader): Promise<void> {
  const blocks = new Blocks()
  for await (const chunk of chunks) {
    blocks.add(chunk)
    while (await step(blocks, reader));
    blocks.keep()
    if (blocks.ended) return
  }
  throw new ArchiveError('it is broken off')
}

/** Takes as much as is there of one thing. @returns whether there may be more to take */
async function step(blocks: Blocks, reader: MemberReader): Promise<boolean> {
  if (blocks.ended) return false
  if (blocks.content > 0) {
    const bytes = blocks.take(blocks.content)
    if (!bytes) return false
    blocks.content -= bytes.length
    await reader.content(bytes)
    if (blocks.content === 0) await reader.end()
    return true
  }
  if (blocks.padding > 0) {
    const bytes = blocks.take(blocks.padding)
    blocks.padding -= bytes?.length ?? 0
    return bytes !== undefined
  }
  const header = blocks.block()
  if (!header) return false
  if (header.every((byte) => byte === 0)) {
    blocks.ended = blocks.half_ended
    blocks.half_ended = true
    return true
  }
  if (blocks.half_ended) throw new ArchiveError('something follows its end')
  const member = memberOf(header)
  blocks.content = member.size
  blocks.padding = paddingOf(member.size).length
  await reader.begin(member)
  if (member.size === 0) await reader.end()
  return true
}

/** What was read of an archive and not taken yet, and what it belongs to. */
class Blocks {
  /** Bytes of the present file still to come, and behind it. */
  content = 0
  padding = 0
  /** One of the two blocks of zeros at the end has come; both have. */
  half_ended = false
  ended = false
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  add(chunk: Uint8Array): void {
    const { buffer, byteOffset, length } = chunk
    const bytes = Buffer.from(buffer, byteOffset, length)
    this.#bytes =
      this.#at < this.#bytes.length ? Buffer.concat([this.#bytes.subarray(this.#at), bytes]) : bytes
    this.#at = 0
  }

  /** What was not taken is kept apart from the chunk that it was in. */
  keep(): void {
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#at))
    this.#at = 0
  }

  /** Up to so many bytes; undefined when there is none. */
  take(bytes_max: number): Uint8Array | undefined {
    const bytes = this.#bytes.subarray(this.#at, this.#at + bytes_max)
    this.#at += bytes.length
    return bytes.length > 0 ? bytes : undefined
  }

  /** A whole block; undefined when it is not there yet. */
  block(): Buffer | undefined {
    if (this.#bytes.length - this.#at < BLOCK_BYTES) return undefined
    this.#at += BLOCK_BYTES
    return this.#bytes.subarray(this.#at - BLOCK_BYTES, this.#at)
  }
}

function memberOf(header: Buffer): Member {
  const text = (at: number, bytes: number) => /^[^\0]*/.exec(header.toString('latin1', at, at + bytes))![0]
  if (text(257, 5) !== 'ustar' || Number.parseInt(text(148, 8), 8) !== checksum(header))
    throw new ArchiveError('it is no tar archive, or damaged')
  const name = text(0, NAME_BYTES_MAX)
  const kind = text(156, 1)
  const size = text(124, 12).trim()
  if ((kind !== '0' && kind !== '') || text(345, 155) !== '' || !/^[0-7]+$/.test(size))
    throw new ArchiveError(`${JSON.stringify(name)} in it is no plain file with a short name`)
  return { name, size: Number.parseInt(size, 8) }
}

/** The sum of all bytes, those of the sum itself as spaces. */
function checksum(header: Buffer): number {
  let sum = 8 * 0x20
  for (const [i, byte] of header.entries()) if (i < 148 || i >= 156) sum += byte
  return sum
}

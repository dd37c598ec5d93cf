import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import {
  ArchiveError,
  headerOf,
  type Member,
  paddingOf,
  readArchive,
  trailer,
} from '../../../../src/engine/journal/upkeep/tar.ts'
import { folder } from './brokers.ts'

function archiveOf(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, bytes]) => [
    headerOf({ name, size: bytes.length }, 1_700_000_000),
    bytes,
    paddingOf(bytes.length),
  ])
  return Buffer.concat([...parts, trailer()])
}

/** Reads an archive that comes in chunks of this many bytes. */
async function read(archive: Uint8Array, chunk_bytes = archive.length): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  const begun: Member[] = []
  const ended: string[] = []
  async function* chunks() {
    for (let at = 0; at < archive.length; at += chunk_bytes) {
      const chunk = Uint8Array.from(archive.subarray(at, at + chunk_bytes))
      yield chunk
      // A chunk may be used again once it was taken.
      chunk.fill(255)
    }
  }
  await readArchive(chunks(), {
    begin(member) {
      begun.push(member)
      files[member.name] = ''
    },
    content(bytes) {
      files[begun.at(-1)!.name] += Buffer.from(bytes).toString('latin1')
    },
    end() {
      ended.push(begun.at(-1)!.name)
    },
  })
  expect(ended).toEqual(begun.map(({ name }) => name))
  for (const { name, size } of begun) expect(files[name]!.length).toBe(size)
  return files
}

const FILES = {
  format: Buffer.from('{}'),
  empty: Buffer.alloc(0),
  '00000001.log': Buffer.alloc(512, 'a'),
  '00000002.log': Buffer.alloc(1500, 'b'),
}
const CONTENTS = Object.fromEntries(Object.entries(FILES).map(([name, bytes]) => [name, bytes.toString()]))

test.each([1, 7, 511, 512, 513, 1024, 100_000])(
  'an archive comes back in chunks of %d bytes',
  async (bytes) => {
    expect(await read(archiveOf(FILES), bytes)).toEqual(CONTENTS)
  },
)

test('the system knows our archives, and we know plain files in its own', async () => {
  using dir = folder()
  writeFileSync(dir.in('ours.tar'), archiveOf(FILES))
  const list = Bun.spawnSync(['tar', '-tvf', dir.in('ours.tar')])
  expect(list.stderr.toString()).toBe('')
  expect(list.stdout.toString()).toContain('-rw-------')
  for (const [name, bytes] of Object.entries(FILES)) writeFileSync(dir.in(name), bytes)
  for (const format of ['ustar', 'gnu']) {
    const names = Object.keys(FILES)
    const made = Bun.spawnSync(['tar', '-cf', '-', `--format=${format}`, '-C', dir.path, ...names])
    expect(await read(made.stdout)).toEqual(CONTENTS)
  }
})

test('an archive that is broken off anywhere is refused', async () => {
  const archive = archiveOf(FILES)
  for (let bytes = 0; bytes < archive.length; bytes += 97)
    expect(await read(archive.subarray(0, bytes)).catch((error: Error) => error.message)).toBe(
      'it is broken off',
    )
})

describe('what is no plain file is refused', () => {
  /** The header of a file with some bytes changed, and its sum mended. */
  function header(changes: readonly (readonly [at: number, text: string])[]): Buffer {
    const bytes = Buffer.from(headerOf({ name: 'file', size: 0 }, 0))
    for (const [at, text] of changes) bytes.write(text, at, 'latin1')
    bytes.write('        ', 148, 'latin1')
    const sum = bytes.reduce((all, byte) => all + byte, 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0`, 148, 'latin1')
    return bytes
  }

  test.each<[string, [number, string][], string]>([
    ['a directory', [[156, '5']], 'is no plain file'],
    ['a link', [[156, '2']], 'is no plain file'],
    ['an extended header', [[156, 'x']], 'is no plain file'],
    ['a long name of GNU', [[156, 'L']], 'is no plain file'],
    ['a sparse file', [[156, 'S']], 'is no plain file'],
    ['a folder before the name', [[345, 'etc']], 'is no plain file'],
    ['a size in base 256', [[124, '\x80\0\0\0\0\0\0\0\0\0\0\x01']], 'is no plain file'],
    ['a size that is none', [[124, '12345678999\0']], 'is no plain file'],
    ['another format', [[257, 'star ']], 'is no tar archive'],
  ])('%s', async (_, changes, why) => {
    const archive = Buffer.concat([header(changes), trailer()])
    const error = await read(archive).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ArchiveError)
    expect((error as Error).message).toContain(why)
  })

  test('a header with a wrong sum', async () => {
    const archive = archiveOf(FILES)
    archive[3]! ^= 1
    await expect(read(archive)).rejects.toThrow('no tar archive')
  })

  test('something behind half an end', async () => {
    const archive = Buffer.concat([trailer().subarray(512), archiveOf(FILES)])
    await expect(read(archive)).rejects.toThrow('something follows its end')
  })

  test('names and sizes that no header holds are not written', () => {
    expect(() => headerOf({ name: 'x'.repeat(101), size: 0 }, 0)).toThrow(RangeError)
    expect(() => headerOf({ name: 'x', size: 2 ** 33 }, 0)).toThrow(RangeError)
  })
})

import { describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { crcText, MANIFEST } from '../../../../src/engine/journal/upkeep/manifest.ts'
import { headerOf, paddingOf, readArchive, trailer } from '../../../../src/engine/journal/upkeep/tar.ts'
import { type } from '../../../cli/harness.ts'
import { brokerOn, folder, payloads, sendTo } from './brokers.ts'

type Files = Map<string, Buffer>

function archiveOf(files: Iterable<readonly [string, Uint8Array]>): Buffer {
  const parts = [...files].flatMap(([name, bytes]) => [
    headerOf({ name, size: bytes.length }, 0),
    bytes,
    paddingOf(bytes.length),
  ])
  return Buffer.concat([...parts, trailer()])
}

async function filesOf(archive: Uint8Array): Promise<Files> {
  const files: Files = new Map()
  let present = ''
  async function* chunks() {
    yield archive
  }
  await readArchive(chunks(), {
    begin({ name }) {
      present = name
      files.set(name, Buffer.alloc(0))
    },
    content(bytes) {
      files.set(present, Buffer.concat([files.get(present)!, bytes]))
    },
    end() {},
  })
  return files
}

/** A backup of a broker with some messages in several segments. */
async function backupOf(dir: ReturnType<typeof folder>): Promise<Buffer> {
  await using app = await brokerOn(dir.in('data'))
  await sendTo(app, 'reader', Array<string>(20).fill('x'.repeat(10_000)))
  const response = await fetch(`${app.url}/v1/backup`, { method: 'POST' })
  expect(response.headers.get('content-type')).toBe('application/x-tar')
  expect(response.headers.get('content-disposition')).toMatch(/filename="mcp-broker-\d{8}T\d{6}Z\.tar"/)
  return Buffer.from(await response.bytes())
}

/** What the command line says of an archive; nothing may be left of a directory that it refuses. */
async function restored(dir: ReturnType<typeof folder>, archive: Uint8Array): Promise<string> {
  writeFileSync(dir.in('b.tar'), archive)
  const { code, err } = await type(['restore', dir.in('b.tar'), dir.in('restored')])
  if (code !== 0) expect(readdirSync(dir.path)).not.toContain('restored')
  return code === 0 ? 'restored' : err
}

test('a flipped byte, wherever it is, is found', async () => {
  using dir = folder()
  const archive = await backupOf(dir)
  for (let at = 0; at < archive.length - 1024; at += 1777) {
    const flipped = Buffer.from(archive)
    flipped[at]! ^= 4
    const said = await restored(dir, flipped)
    // What fills the last block of a file says nothing.
    if (said === 'restored') {
      expect(archive[at]).toBe(0)
      await Bun.$`rm -r ${dir.in('restored')}`
    } else expect(said).toContain('The backup cannot be used: ')
  }
})

test('a backup that is broken off is refused, wherever that is', async () => {
  using dir = folder()
  const archive = await backupOf(dir)
  for (let bytes = 0; bytes < archive.length; bytes += 9973)
    expect(await restored(dir, archive.subarray(0, bytes))).toContain('it is broken off')
})

describe('a backup is refused', () => {
  /** A whole backup, in which `change` changes some files; the manifest fits them again if asked. */
  async function changed(
    dir: ReturnType<typeof folder>,
    change: (files: Files) => void,
    mended = false,
  ): Promise<string> {
    const files = await filesOf(await backupOf(dir))
    change(files)
    if (mended) {
      const manifest = JSON.parse(files.get(MANIFEST)!.toString()) as { files: { name: string }[] }
      manifest.files = manifest.files.map(({ name }) => {
        const bytes = files.get(name)!
        return { name, size: bytes.length, crc32: crcText(crc32(bytes)) }
      })
      files.set(MANIFEST, Buffer.from(JSON.stringify(manifest)))
    }
    return restored(dir, archiveOf(files))
  }

  const rename = (from: string, to: string) => (files: Files) => {
    const moved = [...files].map(([name, bytes]) => [name === from ? to : name, bytes] as const)
    files.clear()
    for (const [name, bytes] of moved) files.set(name, bytes)
  }
  const manifest = (change: (manifest: Record<string, unknown>) => unknown) => (files: Files) => {
    const value = JSON.parse(files.get(MANIFEST)!.toString()) as Record<string, unknown>
    files.set(MANIFEST, Buffer.from(JSON.stringify(change(value) ?? value)))
  }

  test('not when nothing is changed', async () => {
    using dir = folder()
    expect(await changed(dir, () => {}, true)).toBe('restored')
    await using app = await brokerOn(dir.in('restored'))
    expect(await payloads(app, 'reader')).toHaveLength(20)
  })

  test.each<[string, (files: Files) => void, string]>([
    ['that climbs', rename('00000002.log', '../00000002.log'), 'does not belong in it'],
    ['with an absolute path', rename('00000002.log', '/tmp/00000002.log'), 'does not belong in it'],
    ['with a file of the lock', rename('format', 'lock'), 'does not belong in it'],
    ['with a note of its own', rename('format', 'boot'), 'does not belong in it'],
    ['without a segment', (files) => files.delete('00000002.log'), '00000002.log is missing'],
    ['with one too many', (files) => insert(files, '00000009.log'), 'more files than it says'],
    ['without a manifest', (files) => files.delete(MANIFEST), 'no manifest'],
    ['whose manifest is no JSON', (files) => files.set(MANIFEST, Buffer.from('{')), 'no manifest'],
    ['of a later form', manifest((all) => ({ ...all, backup: 2 })), 'no manifest'],
    ['with no files', manifest((all) => ({ ...all, files: [] })), 'no manifest'],
    ['with files that are none', manifest((all) => ({ ...all, files: [1] })), 'no manifest'],
    ['with another end', manifest((all) => ({ ...all, end: { segment: 1, offset: 0 } })), 'no manifest'],
    ['with no end', manifest((all) => ({ ...all, end: 7 })), 'no manifest'],
  ])('%s', async (_, change, why) => {
    using dir = folder()
    expect(await changed(dir, change)).toContain(why)
  })

  /** Puts a file in front of the manifest. */
  function insert(files: Files, name: string): void {
    const last = files.get(MANIFEST)!
    files.delete(MANIFEST)
    files.set(name, Buffer.from('x')).set(MANIFEST, last)
  }

  test('whose log is damaged, though the manifest knows of it', async () => {
    using dir = folder()
    const flip = (files: Files) => {
      files.get('00000002.log')![5000]! ^= 1
    }
    expect(await changed(dir, flip, true)).toContain('holds a damaged log: 00000002.log, byte ')
  })

  test('of a format that this version does not know', async () => {
    using dir = folder()
    const later = (files: Files) => files.set('format', Buffer.from('{"format":2,"by":"mcp-broker 9.0.0"}'))
    expect(await changed(dir, later, true)).toContain('start mcp-broker 9.0.0 or a later version')
  })

  test('with the same file twice, or one that claims more than there can be', async () => {
    using dir = folder()
    const files = [...(await filesOf(await backupOf(dir)))]
    expect(await restored(dir, archiveOf([files[0]!, ...files]))).toContain('is in it twice')
    const after = files.at(-1)!
    expect(await restored(dir, archiveOf([after, ...files]))).toContain('after the manifest')
    const huge = (name: string, size: number) =>
      Buffer.concat([headerOf({ name, size }, 0), Buffer.alloc(5000)])
    expect(await restored(dir, huge('00000001.log', 2 ** 33 - 1))).toContain(`has ${2 ** 33 - 1} bytes`)
    expect(await restored(dir, huge('00000001.log', 2 ** 32))).toContain('it is broken off')
    expect(await restored(dir, huge('format', 1e6))).toContain('has 1000000 bytes')
    expect(await restored(dir, huge(MANIFEST, 1e8))).toContain('has 100000000 bytes')
  })
})

test('a directory that was there stays, and only what was written goes', async () => {
  using dir = folder()
  mkdirSync(dir.in('empty'))
  writeFileSync(dir.in('b.tar'), (await backupOf(dir)).subarray(0, 50_000))
  expect(await type(['restore', dir.in('b.tar'), dir.in('empty')])).toMatchObject({ code: 1 })
  expect(readdirSync(dir.in('empty'))).toEqual([])
})

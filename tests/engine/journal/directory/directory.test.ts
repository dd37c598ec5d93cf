import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootId } from '../../../../src/engine/journal/directory/boot-id.ts'
import { type Directory, openDirectory } from '../../../../src/engine/journal/directory/directory.ts'
import { DirectoryError, fromSystem } from '../../../../src/engine/journal/directory/directory-error.ts'
import { mayMount, openElsewhere, openUnprivileged } from './processes.ts'

const BY = 'mcp-broker 1.2.3'
let root: string
let data: string
const open: Directory[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mcp-broker-directory-'))
  chmodSync(root, 0o755)
  data = join(root, 'data')
})

afterEach(() => {
  for (const directory of open.splice(0)) directory.close()
  rmSync(root, { recursive: true, force: true })
})

function opened(path = data, by = BY): Directory {
  const directory = openDirectory(path, by)
  open.push(directory)
  return directory
}

/** What a directory is refused with. */
function refusal(path = data): DirectoryError {
  try {
    opened(path)
  } catch (error) {
    if (error instanceof DirectoryError) return error
    throw error
  }
  throw new Error(`${path} was not refused`)
}

/** Everything below a directory: names, modes, sizes, times of change and contents. */
function everything(path: string): unknown[] {
  return ['.', ...readdirSync(path, { recursive: true }).map(String).sort()].map((name) => {
    const { mode, size, mtimeMs, ino } = statSync(join(path, name))
    const text = statSync(join(path, name)).isFile() ? readFileSync(join(path, name), 'utf8') : undefined
    return [name, mode, size, mtimeMs, ino, text]
  })
}

const mode = (path: string) => statSync(path).mode & 0o777

describe('a directory that is opened', () => {
  test('is made for its user alone, with a format, the lock and the pid', () => {
    const directory = opened()
    expect(directory.path).toBe(data)
    expect(mode(data)).toBe(0o700)
    expect(readdirSync(data).sort()).toEqual(['format', 'lock', 'pid'])
    for (const name of readdirSync(data)) expect(mode(join(data, name))).toBe(0o600)
    expect(readFileSync(join(data, 'format'), 'utf8')).toBe('{"format":1,"by":"mcp-broker 1.2.3"}\n')
    expect(readFileSync(join(data, 'pid'), 'utf8')).toBe(`${process.pid}\n`)
  })

  test('is let go of once, and can be opened again by a later version', () => {
    const first = opened()
    first.close()
    expect(existsSync(join(data, 'pid'))).toBe(false)
    const second = opened(data, 'mcp-broker 1.3.0')
    first.close()
    expect(readFileSync(join(data, 'format'), 'utf8')).toContain('1.2.3')
    expect(existsSync(join(data, 'pid'))).toBe(true)
    expect(refusal().trouble).toBe('held')
    second.close()
    opened()
  })

  test('may have been empty, also as the root of a file system or after a start that was cut off', () => {
    for (const name of ['empty', 'mounted', 'cut']) mkdirSync(join(root, name))
    mkdirSync(join(root, 'mounted', 'lost+found'))
    for (const name of ['lock', 'pid', 'format.tmp']) writeFileSync(join(root, 'cut', name), '')
    for (const name of ['empty', 'mounted', 'cut'])
      expect(opened(join(root, name)).path).toBe(join(root, name))
    expect(readdirSync(join(root, 'cut')).sort()).toEqual(['format', 'lock', 'pid'])
  })

  test('may hold files of others, once it is a data directory', () => {
    opened().close()
    writeFileSync(join(data, 'notes.txt'), 'mine')
    opened()
    expect(readFileSync(join(data, 'notes.txt'), 'utf8')).toBe('mine')
  })

  test('may be named by a relative path and by a link', () => {
    mkdirSync(data)
    symlinkSync(data, join(root, 'link'))
    opened(join(root, 'link')).close()
    const relative = opened(
      join(
        '..',
        ...process
          .cwd()
          .split('/')
          .slice(2)
          .map(() => '..'),
        data,
      ),
    )
    expect(relative.path).toBe(data)
  })

  test('says how many bytes are free', () => {
    const { blocks, bsize } = statfsSync(root)
    expect(opened().free()).toBeWithin(1, blocks * bsize)
  })
})

describe('a directory that is refused stays as it is', () => {
  test('no parent', () => {
    const path = join(root, 'a', 'b')
    expect(refusal(path)).toMatchObject({
      trouble: 'no_parent',
      message: `The data directory ${path} cannot be made, as ${join(root, 'a')} is not a directory (ENOENT): make that first, or choose another data directory.`,
    })
    expect(readdirSync(root)).toEqual([])
    writeFileSync(join(root, 'a'), '')
    expect(refusal(path)).toMatchObject({ trouble: 'no_parent' })
    expect(refusal(path).message).toContain('(ENOTDIR)')
  })

  test('a file', () => {
    writeFileSync(data, 'text')
    expect(refusal()).toMatchObject({
      trouble: 'not_a_directory',
      message: `${data} is not a directory, and cannot hold data: choose another data directory.`,
    })
    expect(readFileSync(data, 'utf8')).toBe('text')
  })

  test.each([
    ['notes.txt', 'mine'],
    ['00000001.log', ''],
    ['format', ''],
    ['format', '{"format":1}'],
    ['format', '{"format":0,"by":"mcp-broker 1.0.0"}'],
    ['format', '{"format":1,"by":"another program"}'],
  ])('another kind of directory: %s with %p', (name, text) => {
    mkdirSync(data)
    writeFileSync(join(data, name), text)
    const before = everything(root)
    expect(refusal()).toMatchObject({
      trouble: 'not_ours',
      message: `${data} is no data directory of mcp-broker, as "${name}" is in it: choose an empty directory, or one that is not there yet.`,
    })
    expect(everything(root)).toEqual(before)
  })

  test('a newer format', () => {
    mkdirSync(data)
    writeFileSync(join(data, 'format'), '{"format":2,"by":"mcp-broker 2.0.0"}\n')
    const before = everything(root)
    expect(refusal()).toMatchObject({
      trouble: 'newer_format',
      message: `The data directory ${data} has format 2, which mcp-broker 1.2.3 does not know: start mcp-broker 2.0.0 or a later version, or choose another data directory.`,
    })
    expect(everything(root)).toEqual(before)
  })

  test('one that this user may not write, or whose files it may not', async () => {
    opened().close()
    chmodSync(data, 0o500)
    const before = everything(root)
    const directory = await openUnprivileged(data)
    expect(directory.trouble).toBe('not_writable')
    expect(directory.message).toBe(
      `This user may not read and write ${data} (EACCES), which the data directory ${data} needs: grant that, or choose another data directory.`,
    )
    expect(everything(root)).toEqual(before)

    chmodSync(data, 0o777)
    chmodSync(join(data, 'format'), 0o400)
    chmodSync(join(data, 'lock'), 0o400)
    const file = await openUnprivileged(data)
    expect(file.trouble).toBe('not_writable')
    expect(file.message).toMatch(/data\/(format|lock) \(EACCES\)/)

    for (const name of ['format', 'lock']) chmodSync(join(data, name), 0o666)
    writeFileSync(join(data, '00000001.log'), '', { mode: 0o400 })
    expect((await openUnprivileged(data)).message).toContain(`${join(data, '00000001.log')} (EACCES)`)

    const parent = join(root, 'closed')
    mkdirSync(parent, { mode: 0o555 })
    expect((await openUnprivileged(join(parent, 'data'))).trouble).toBe('not_writable')
    expect(readdirSync(parent)).toEqual([])
  })

  test('one on a file system that is read-only', async () => {
    opened().close()
    const before = everything(root)
    if (!mayMount()) {
      // Without mounts, permissions stand for it.
      chmodSync(data, 0o500)
      expect((await openUnprivileged(data)).trouble).toBe('not_writable')
      return
    }
    const { opened: told } = await openElsewhere(
      data,
      `mount --bind '${root}' '${root}' && mount -o remount,ro,bind '${root}'`,
    )
    expect(told).toMatchObject({
      trouble: 'not_writable',
      message: `The data directory ${data} is on a file system that is read-only (EROFS): mount it writable, or choose another data directory.`,
    })
    expect(everything(root)).toEqual(before)
  })

  test('what a full device answers, in words', () => {
    const full = openSync('/dev/full', 'w')
    expect(() => {
      try {
        writeSync(full, 'text')
      } catch (error) {
        throw fromSystem(error, data)
      }
    }).toThrow('There is no space left')
    closeSync(full)
  })

  test('one without space', async () => {
    // Without mounts, the test before this one has to do.
    if (!mayMount()) return
    const small = `mount -t tmpfs -o size=16k none '${root}'`
    const fill = `{ head -c 100000 /dev/zero >'${root}/filler' 2>/dev/null || true; }`
    const { opened: told } = await openElsewhere(data, `${small} && ${fill}`)
    expect(told).toMatchObject({
      trouble: 'no_space',
      message: `There is no space left for the data directory ${data} (ENOSPC): make room there, or choose another data directory.`,
    })
    expect(told.names).toEqual(['filler'])

    // A data directory opens on a full disk: what is stored in it can be read and acknowledged, which makes
    // room.
    const copy = `mkdir -m 700 '${data}' && echo '{"format":1,"by":"mcp-broker 1.2.3"}' >'${data}/format'`
    const again = await openElsewhere(data, `${small} && ${copy} && ${fill}`)
    expect(again.opened.trouble).toBeUndefined()
    await again.close()
  })

  test('one whose lock is no such file', () => {
    mkdirSync(data)
    writeFileSync(join(data, 'lock'), 'no database, but text\n'.repeat(100))
    const before = everything(root)
    expect(refusal()).toMatchObject({
      trouble: 'unusable',
      message: `The file ${data}/lock cannot be locked (SQLITE_NOTADB): choose a data directory on a local file system.`,
    })
    expect(everything(root)).toEqual(before)
  })

  test('a path that is too long', () => {
    const { trouble, message } = refusal(join(root, 'x'.repeat(300)))
    expect(trouble).toBe('unusable')
    expect(message).toContain('(ENAMETOOLONG: ')
  })
})

describe('two processes', () => {
  test('the second is refused, names the first, and changes nothing; kill -9 lets go', async () => {
    const holder = await openElsewhere(data)
    expect(holder.opened.trouble).toBeUndefined()
    const before = everything(root)
    expect(refusal()).toMatchObject({
      trouble: 'held',
      message: `The data directory ${data} is in use by process ${holder.opened.pid}: stop that first, or choose another data directory.`,
    })
    expect(everything(root)).toEqual(before)
    await holder.kill()
    expect(readdirSync(data).sort()).toEqual(['format', 'lock', 'pid'])

    opened()
    const { opened: second } = await openElsewhere(data)
    expect(second.message).toContain(`in use by process ${process.pid}:`)
  })

  test('a holder that did not say who it is', async () => {
    const holder = await openElsewhere(data)
    rmSync(join(data, 'pid'))
    expect(refusal().message).toContain('in use by another process:')
    await holder.close()
    opened()
  })

  test('of several that make it at once, one has it', async () => {
    // Which one it is, and how close the others come, is chance.
    for (let run = 0; run < 10; run++) {
      data = join(root, `data${run}`)
      await race()
    }
  })

  async function race(): Promise<void> {
    const openers = await Promise.all(Array.from({ length: 4 }, () => openElsewhere(data)))
    const troubles = openers.map(({ opened }) => opened.trouble ?? 'none').sort()
    expect(troubles).toEqual(['held', 'held', 'held', 'none'])
    expect(refusal().trouble).toBe('held')
    await Promise.all(openers.map((opener) => opener.close()))
    opened()
  }
})

test.each([
  ['EROFS', 'not_writable', 'on a file system that is read-only (EROFS)'],
  [
    'EACCES',
    'not_writable',
    'This user may not read and write /d/lock (EACCES), which the data directory /d needs',
  ],
  ['EPERM', 'not_writable', '(EPERM)'],
  ['EDQUOT', 'no_space', 'no space left for the data directory /d (EDQUOT)'],
  ['EIO', 'unusable', 'The data directory /d cannot be used (EIO: i/o error)'],
])('%s in words', (code, trouble, words) => {
  const error = Object.assign(new Error(`${code}: i/o error`), { code, path: '/d/lock' })
  const told = fromSystem(error, '/d') as DirectoryError
  expect(told.trouble).toBe(trouble as DirectoryError['trouble'])
  expect(told.message).toContain(words)
  expect(fromSystem(told, '/d')).toBe(told)
})

test('an error that is none of the file system passes through', () => {
  const error = new TypeError('no code')
  expect(fromSystem(error, data)).toBe(error)
})

test('the boot id is that of the machine, and none where the kernel has none', () => {
  if (process.platform === 'linux') expect(bootId()).toMatch(/^[0-9a-f-]{36}$/)
  expect(bootId()).toBe(bootId())
  expect(bootId(join(root, 'none'))).toBeUndefined()
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { placeText, readDefinitions } from '../../../src/broker/protocols/registration/definition-files.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'definitions-'))
})
afterEach(() => rm(folder, { recursive: true }))

const at = (name: string) => join(folder, name)
const write = (name: string, held: unknown) =>
  Bun.write(at(name), typeof held === 'string' || held instanceof Uint8Array ? held : JSON.stringify(held))
const definition = (name: string, version: string) => ({ name, version, schema: { type: 'object' } })

/** What was read, in order, and what was wrong, each with its place below the folder. */
async function read(...paths: string[]) {
  const { definitions, problems, files } = await readDefinitions(...(paths.length > 0 ? paths : [folder]))
  const place = (one: Parameters<typeof placeText>[0]) => placeText(one).replace(`${folder}/`, '')
  return {
    files,
    found: definitions.map((one) => `${one.input.name} ${one.input.version} (${place(one)})`),
    wrong: problems.map((one) => `${place(one)}: ${one.what} ${one.fix}`.replaceAll(`${folder}/`, '')),
  }
}

test('a folder with all below it, by name and ascending version, wherever each lies', async () => {
  await write('z/new.json', [definition('chat', '1.10.0'), definition('alarm', '1.0.0')])
  await write('a.yaml', 'name: chat\nversion: 1.2.0\nschema: {type: object}\nallow_breaking: true\n')
  await write(
    'b/c/d.yml',
    '# two\n- {name: chat, version: 1.10.0-rc.1, schema: true}\n- {name: chat, version: 0.9.0, schema: {}}\n',
  )
  await write('README.md', 'not one')
  await write('.git/x.json', 'not one')
  expect(await read()).toEqual({
    files: 3,
    found: [
      'alarm 1.0.0 (z/new.json, item 2)',
      'chat 0.9.0 (b/c/d.yml, item 2)',
      'chat 1.2.0 (a.yaml)',
      'chat 1.10.0-rc.1 (b/c/d.yml, item 1)',
      'chat 1.10.0 (z/new.json, item 1)',
    ],
    wrong: [],
  })
})

test('one file, of any name; a byte order mark is no part of it', async () => {
  await write('lease.definition', '\uFEFFname: lease\nversion: "1.0.0"\nschema: {}\n')
  expect(await read(at('lease.definition'))).toMatchObject({ found: ['lease 1.0.0 (lease.definition)'] })
})

test('several paths are one list', async () => {
  await write('new.json', definition('chat', '2.0.0'))
  await write('old/chat.json', definition('chat', '1.0.0'))
  expect(await read(at('new.json'), at('old'), at('old/chat.json'), at('gone'))).toEqual({
    files: 2,
    found: ['chat 1.0.0 (old/chat.json)', 'chat 2.0.0 (new.json)'],
    wrong: ['gone: There is no such file or folder. Correct the path.'],
  })
})

test('an empty folder holds nothing, and that is no problem', async () => {
  expect(await read()).toEqual({ files: 0, found: [], wrong: [] })
})

test.each([
  ['nothing', 'null', 'It is no definition of a protocol, which is an object.'],
  ['a text', '"chat"', 'Write {"name": "chat", "version": "1.0.0", "schema": {…}}, or a list of these.'],
  ['no JSON', '{', 'Files ending in .json are read as JSON, all others as YAML.'],
  ['an empty list', '[]', 'It holds an empty list. Put a definition into it.'],
  ['no UTF-8', new Uint8Array([0xff, 0xfe]), 'It is not UTF-8. Save it as UTF-8.'],
  ['too much', ' '.repeat(1024 * 1024 + 1), 'It has more than 1048576 bytes. Split it into several files.'],
  ['no name', { version: '1.0.0', schema: {} }, 'It has no name. Give it a name.'],
  ['no version', { name: 'a', schema: {} }, 'It has no version. Give it a version.'],
  ['no schema', { name: 'a', version: '1.0.0' }, 'It has no schema. Give it a schema.'],
  ['a number for a name', { name: 7, version: '1.0.0', schema: {} }, 'Its name is no text.'],
  ['a typing error', { name: 'a', version: '1.0.0', shema: {} }, 'no member "shema". Did you mean schema?'],
  [
    'another member',
    { name: 'a', version: '1.0.0', schema: {}, zzzzzzzz: 1 },
    'It has name, version, schema,',
  ],
  ['a number for a version', { name: 'a', version: 1.1, schema: {} }, 'Its version is 1.1. Write a semver'],
  ['a v', { name: 'a', version: 'v1.0.0', schema: {} }, 'Its version is "v1.0.0".'],
  ['blanks', { name: 'a', version: ' 1.0.0', schema: {} }, 'Its version is " 1.0.0".'],
  ['two parts', { name: 'a', version: '1.0', schema: {} }, 'Its version is "1.0".'],
  ['a list for a schema', { name: 'a', version: '1.0.0', schema: [] }, 'Its schema is no JSON Schema.'],
])('a file with %s is told, and the rest is read', async (_, held, words) => {
  await write('a.json', held)
  await write('b.json', definition('b', '1.0.0'))
  const { found, wrong } = await read()
  expect(found).toEqual(['b 1.0.0 (b.json)'])
  expect(wrong).toHaveLength(1)
  expect(wrong[0]).toStartWith('a.json: ')
  expect(wrong[0]).toContain(words)
})

test('an item of a list that is wrong is named by its place', async () => {
  await write('list.json', [definition('a', '1.0.0'), { name: 'b' }, 7, definition('c', '1.0.0')])
  const { found, wrong } = await read()
  expect(found).toEqual(['a 1.0.0 (list.json, item 1)', 'c 1.0.0 (list.json, item 4)'])
  expect(wrong.map((text) => text.split(':')[0])).toEqual(['list.json, item 2', 'list.json, item 3'])
})

test('a version that is defined twice is told, with both places', async () => {
  await write('a.json', definition('a', '1.0.0'))
  await write('b.json', [definition('a', '1.0.0+build'), definition('b', '1.0.0')])
  expect(await read()).toMatchObject({
    found: ['a 1.0.0 (a.json)', 'b 1.0.0 (b.json, item 2)'],
    wrong: [
      'b.json, item 1: a 1.0.0+build is defined a second time; the first is in a.json. ' +
        'Keep one of them, or give one a higher version.',
    ],
  })
})

test('YAML that grows when it is read is refused', async () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let n = 1; n < 12; n++)
    lines.push(
      `a${n}: &a${n} [${Array(9)
        .fill(`*a${n - 1}`)
        .join(', ')}]`,
    )
  await write('bomb.yaml', lines.join('\n'))
  const { wrong } = await read()
  expect(wrong).toHaveLength(1)
  expect(wrong[0]).toContain('bomb.yaml: It cannot be parsed: ')
})

describe('links', () => {
  test('a file is read once, by the first of its names; loops end', async () => {
    await write('real.json', definition('a', '1.0.0'))
    await symlink(at('real.json'), at('link.json'))
    await mkdir(at('below'))
    await symlink(folder, at('below/loop.json'))
    expect(await read()).toEqual({ files: 1, found: ['a 1.0.0 (link.json)'], wrong: [] })
  })

  test('a folder by a link, and a link to nothing or to itself', async () => {
    await write('real/a.json', definition('a', '1.0.0'))
    await symlink(at('real'), at('linked'))
    await symlink(at('gone'), at('real/gone.json'))
    await symlink(at('real/self.json'), at('real/self.json'))
    const { found, wrong } = await read(at('linked'))
    expect(found).toEqual(['a 1.0.0 (linked/a.json)'])
    expect(wrong.sort()).toEqual([
      'linked/gone.json: There is no such file or folder. Correct the path.',
      'linked/self.json: It is a link to itself. Correct the path.',
    ])
  })
})

describe('what cannot be read', () => {
  test('a path to nothing', async () => {
    expect((await read(at('gone'))).wrong).toEqual([
      'gone: There is no such file or folder. Correct the path.',
    ])
  })

  test('what is neither file nor folder, alone and in a folder', async () => {
    await Bun.spawn(['mkfifo', at('pipe.json')]).exited
    expect((await read(at('pipe.json'))).wrong).toEqual([
      'pipe.json: It is neither a file nor a folder. Give a folder, or a file.',
    ])
    expect(await read()).toEqual({ files: 0, found: [], wrong: [] })
  })

  test('more files than there may be: none is read', async () => {
    await Promise.all(
      Array.from({ length: 2001 }, (_, n) => write(`${n}.json`, definition(`a${n}`, '1.0.0'))),
    )
    const { definitions, problems } = await readDefinitions(folder)
    expect(definitions).toEqual([])
    expect(problems).toEqual([
      { file: folder, what: 'It holds more than 2000 files.', fix: 'Give a folder of definitions alone.' },
    ])
  })

  test('more folders than there may be', async () => {
    await Promise.all(Array.from({ length: 2001 }, (_, n) => mkdir(at(`${n}`))))
    expect((await readDefinitions(folder)).problems[0]?.what).toBe('It holds more than 2000 folders.')
  })
})

import { describe, expect, test } from 'bun:test'
import { READY_PROTOCOLS } from '../../../src/core/protocol/ready/index.ts'
import { type } from '../harness.ts'
import { Definitions, note, shows } from './files.ts'

/** `protocols check` of files, with the folder left out of what it prints. */
async function check(files: Record<string, unknown>, ...flags: string[]) {
  using folder = new Definitions()
  for (const [name, held] of Object.entries(files)) await folder.write(name, held)
  const { code, out, err } = await type(['protocols', 'check', folder.path, ...flags])
  const plain = (text: string) => text.replaceAll(`${folder.path}/`, '')
  return { code, out: plain(out), err: plain(err) }
}

describe('check', () => {
  test('what is right: a table, and 0', async () => {
    const checked = await check({
      'one.json': note('1.0.0', ['text!'], shows({ text: 'a' })),
      'more.yaml': [
        note('1.1.0', ['text!', 'to'], shows({ text: 'a' }, { text: 'a', to: 'b' })),
        note('1.1.1', ['text!', 'to']),
      ],
    })
    expect(checked).toEqual({
      code: 0,
      err: '',
      out: [
        'note\t1.0.0\t\t1\tone.json',
        'note\t1.1.0\tfull\t2\tmore.yaml, item 1',
        'note\t1.1.1\tfull\t0\tmore.yaml, item 2',
      ].join('\n'),
    })
  })

  test('more metadata than a broker keeps', async () => {
    const { code, err } = await check({
      'note.json': note('1.0.0', ['text!'], shows({ text: 'x'.repeat(40_000) })),
    })
    expect(code).toBe(1)
    expect(err).toStartWith('error: note 1.0.0 (note.json): metadata is 40')
  })

  test('the ready protocols are right', async () => {
    expect(await check({ 'ready.json': READY_PROTOCOLS })).toMatchObject({ code: 0, err: '' })
  })

  test('a breaking minor: 1, which side breaks, a payload that shows it, what would be right', async () => {
    const { code, out, err } = await check({
      'note.json': [note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to!'])],
    })
    expect(code).toBe(1)
    expect(out).toBe('note\t1.0.0\t\t0\tnote.json, item 1\nnote\t1.1.0\tforward\t0\tnote.json, item 2')
    const lines = err.split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toStartWith('error: note 1.1.0 (note.json, item 2): 1.1.0 is a minor after 1.0.0')
    expect(lines[1]).toContain('/to')
    expect(lines[1]).toContain('new readers refuse some old messages')
    expect(lines[1]).toEndWith('For example {"text":"a"}')
    expect(lines[2]).toBe('  The next major version after 1.0.0 is 2.0.0.')
  })

  test.each([
    ['a patch that adds a member to a closed object', '1.0.1', { additionalProperties: false }, 1],
    ['the same as a minor', '1.1.0', { additionalProperties: false }, 0],
  ])('%s', async (_, version, closed, code) => {
    const of = (definition: ReturnType<typeof note>) => ({
      ...definition,
      schema: { ...definition.schema, ...closed },
    })
    const files = { 'note.json': [of(note('1.0.0', ['text!'])), of(note(version, ['text!', 'to']))] }
    expect((await check(files)).code).toBe(code)
  })

  test('a breaking major is right, and so is a minor with allow_breaking, which warns', async () => {
    const files = {
      'note.json': [
        note('1.0.0', ['text!']),
        note('1.1.0', ['text!', 'to!'], { allow_breaking: true }),
        note('2.0.0', ['body!']),
      ],
    }
    const { code, err } = await check(files)
    expect(code).toBe(0)
    expect(err).toStartWith('warning: note 1.1.0: 1.1.0 is a minor after 1.0.0')
    expect(err).toEndWith('allow_breaking lets it pass.')
  })

  test('where the strict reading decides, it does', async () => {
    const files = (more: object) => ({
      'note.json': [note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to'], more)],
    })
    expect((await check(files({}))).code).toBe(0)
    expect((await check(files({ metadata: { compare: 'strict' } }))).code).toBe(1)
  })

  test.each([
    ['a schema', note('1.0.0', [], { schema: { type: 'strng' } }), 'note 1.0.0 (a.json): ', 'strng'],
    [
      'a name',
      { ...note('1.0.0', []), name: 'Note-1' },
      'Note-1 1.0.0 (a.json): ',
      'Correct it in the file.',
    ],
    [
      'a capability',
      note('1.0.0', [], { capabilities: ['shout'] }),
      'note 1.0.0 (a.json): ',
      'point_to_point',
    ],
    [
      'an adapter',
      note('2.0.0', [], { adapters: [{ from: '1.x', upp: [] }] }),
      'note 2.0.0 (a.json): ',
      'Did you mean up?',
    ],
    ['a file', '{', 'a.json: ', 'It cannot be parsed'],
    [
      'an example',
      note('1.0.0', ['text!'], shows({ text: 7 })),
      'note 1.0.0 (a.json): the example "example 1" does not fit the schema.\n',
      '/text',
    ],
    [
      'an example that should be',
      note('1.0.0', ['text!'], { metadata: { examples_invalid: [{}, { text: 'a' }] } }),
      'note 1.0.0 (a.json): examples_invalid, item 2, fits the schema.\n',
      '{"text":"a"}',
    ],
  ])('%s that is wrong', async (_, held, about, words) => {
    const { code, err } = await check({ 'a.json': held, 'b.json': { ...note('1.0.0', []), name: 'other' } })
    expect(code).toBe(1)
    expect(err).toStartWith(`error: ${about}`)
    expect(err).toContain(words)
    expect(err.match(/^error:/gm)).toHaveLength(1)
  })

  test('adapters are tried on the examples of both sides', async () => {
    const adapters = (to: string) => [
      {
        from: '1.x',
        up: [{ op: 'rename', path: '/text', to: 'body' }],
        down: [{ op: 'rename', path: '/body', to }],
      },
    ]
    const files = (to: string) => ({
      'note.json': [
        note('1.0.0', ['text!'], shows({ text: 'a' })),
        note('2.0.0', ['body!'], { ...shows({ body: 'b' }), adapters: adapters(to) }),
      ],
    })
    expect(await check(files('text'))).toMatchObject({ code: 0, err: '' })
    const { code, err } = await check(files('txt'))
    expect(code).toBe(1)
    expect(err).toContain('error: note 2.0.0 (note.json, item 2): ')
    expect(err).toContain('1.0.0')
  })

  test('a version whose schema is refused is compared with nothing', async () => {
    const broken = note('1.1.0', [], { schema: { type: 'strng' } })
    const { out } = await check({ 'note.json': [note('1.0.0', ['text!']), broken, note('1.2.0', ['text!'])] })
    expect(out.split('\n').map((row) => row.split('\t').slice(1, 3))).toEqual([
      ['1.0.0', ''],
      ['1.2.0', 'full'],
    ])
  })

  test('warnings do not fail', async () => {
    const { code, err } = await check({ 'a.json': note('1.0.0', [], { schema: { tpye: 'object' } }) })
    expect(code).toBe(0)
    expect(err).toMatch(/^warning: note 1\.0\.0: .*tpye/)
  })

  test('for programs', async () => {
    const { code, out, err } = await check(
      { 'note.json': [note('1.0.0', ['text!']), note('1.1.0', ['to!'])], 'x.json': '[]' },
      '--json',
    )
    expect(code).toBe(1)
    expect(JSON.parse(out).protocols[1]).toMatchObject({
      name: 'note',
      version: '1.1.0',
      file: 'note.json',
      index: 1,
      relation: 'breaking',
      examples: 0,
      warnings: [],
    })
    const { errors } = JSON.parse(err)
    expect(errors).toHaveLength(2)
    expect(errors[0]).toMatchObject({ file: 'x.json', detail: 'x.json: It holds an empty list.' })
    expect(errors[1]).toMatchObject({ file: 'note.json', index: 1, relation: 'breaking' })
    expect(errors[1].reasons[0].witness).toEqual({ text: 'a' })
  })

  test('in a terminal, and an empty folder, which is most often a wrong path', async () => {
    using folder = new Definitions()
    const empty = await type(['protocols', 'check', folder.path])
    expect(empty).toMatchObject({ code: 1, out: '' })
    expect(empty.err).toContain(`There are no definitions in ${folder.path}.`)
    await folder.write('a.json', note('1.0.0', []))
    const { out } = await type(['protocols', 'check', folder.path], { interactive: true })
    expect(Bun.stripANSI(out)).toMatch(/^NAME +VERSION +RELATION +EXAMPLES +FILE\nnote +1\.0\.0 +0 +/)
  })
})

describe('diff of two files', () => {
  async function diff(older: unknown, newer: unknown, ...flags: string[]) {
    using folder = new Definitions()
    const files = [await folder.write('old.json', older), await folder.write('new.json', newer)]
    return await type(['protocols', 'diff', ...files, ...flags])
  }

  test('in words: the relation, which side breaks, a payload that shows it, the version number', async () => {
    const { code, out } = await diff(note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to!']))
    expect(code).toBe(0)
    expect(out).toStartWith('note 1.0.0 → 1.1.0: forward')
    expect(out).toContain('/to')
    expect(out).toContain('new readers refuse some old messages')
    expect(out).toContain('{"text":"a"}')
    expect(out.split('\n').at(-1)).toStartWith('1.1.0 is a minor after 1.0.0')
  })

  test('a number that does not rise breaks no promise', async () => {
    const [one, other] = [note('1.1.0', ['text!']), note('1.0.0', ['body!'])]
    for (const [older, newer] of [
      [one, other],
      [one, { ...other, version: '1.1.0' }],
      [one, { ...other, name: 'remark', version: '1.2.0' }],
    ]) {
      const { code, out } = await diff(older, newer)
      expect(code).toBe(0)
      expect(out).toContain(': breaking')
      expect(out).not.toContain('register it')
    }
  })

  test('the strict reading is told where it says something else, undeclared members being any value', async () => {
    const minor = await diff(note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to']))
    expect(minor.out).toContain('\nRead strictly, with members that are not declared: forward\n')
    expect(minor.out).toContain('the old version takes any value')
    const major = await diff(note('1.0.0', ['text!']), note('2.0.0', ['body!']))
    expect(major.out).toStartWith('note 1.0.0 → 2.0.0: breaking')
    expect(major.out).not.toContain('strictly')
  })

  test('what may be sent how, and a number that is right', async () => {
    const all = note('1.0.0', ['text'])
    const { out } = await diff(all, note('2.0.0', ['text'], { capabilities: ['broadcast'] }))
    expect(out.split('\n').slice(-3)).toEqual([
      '  It may not be sent by point_to_point any more.',
      '  It may not be sent by request_response any more.',
      '  It may not be sent by streaming any more.',
    ])
    expect((await diff({ ...all, capabilities: [] }, all)).out).toContain('It may be sent by broadcast now.')
  })

  test('for programs', async () => {
    const { out } = await diff(note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to']), '--json')
    expect(JSON.parse(out)).toMatchObject({
      name: 'note',
      from: '1.0.0',
      to: '1.1.0',
      relation: 'full',
      reasons: [],
      capabilities: { added: [], removed: [] },
    })
  })

  test.each([
    [
      ['note', '1.0.0'],
      2,
      'There is no file "note".\n  diff takes two files with one definition each, or a name',
    ],
    [['note'], 2, 'protocols diff needs more than that.'],
    [['a', 'b', 'c', 'd'], 2, 'protocols diff does not understand "d".'],
  ])('a wrong line: %j', async (args, code, words) => {
    const ran = await type(['protocols', 'diff', ...args])
    expect(ran.code).toBe(code)
    expect(ran.err).toContain(words)
  })

  test('a file with several definitions, and one whose schema is none', async () => {
    const one = note('1.0.0', [])
    const several = await diff([one, note('2.0.0', [])], one)
    expect(several.code).toBe(1)
    expect(several.err).toContain('old.json holds 2 definitions.')
    const none = await diff(one, { ...one, schema: { type: 'strng' } })
    expect(none.code).toBe(1)
    expect(none.err).toContain('strng')
  })
})

describe('types from files', () => {
  test('the newest of each, one, all', async () => {
    using folder = new Definitions()
    await folder.write('a.json', [
      note('1.0.0', ['first!']),
      note('2.0.0', ['second']),
      note('3.0.0-rc.1', ['third']),
    ])
    await folder.write('b.json', { ...note('1.0.0', ['other!']), name: 'memo' })
    const types = async (...args: string[]) =>
      (await type(['protocols', 'types', '--dir', folder.path, ...args])).out
    const newest = await types()
    expect(newest).toContain('second?: string')
    expect(newest).toContain('other: string')
    expect(newest).not.toContain('first')
    expect(await types('note')).not.toContain('other')
    expect(await types('note@1.0.0')).toContain('first: string')
    const all = await types('--all')
    for (const member of ['first: string', 'second?: string', 'third?: string', 'other: string'])
      expect(all).toContain(member)
  })

  test('what is not there', async () => {
    using folder = new Definitions()
    await folder.write('a.json', note('1.0.0', []))
    const { code, err } = await type(['protocols', 'types', 'note@2.0.0', '--dir', folder.path])
    expect(code).toBe(1)
    expect(err).toContain(`${folder.path} holds no note 2.0.0.`)
    expect((await type(['protocols', 'types', '--dir', folder.at('gone')])).err).toContain(
      'There is no such file',
    )
  })
})

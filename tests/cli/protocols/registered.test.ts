import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { App } from '../../../src/app.ts'
import { startBroker } from '../../harness.ts'
import { TYPED, type } from '../harness.ts'
import { Definitions, note, shows } from './files.ts'

const KEY = 'a-key-of-16-chars'

let app: App & AsyncDisposable
let folder: Definitions
beforeEach(async () => {
  app = await startBroker()
  folder = new Definitions()
})
afterEach(async () => {
  await app.stop()
  folder[Symbol.dispose]()
})

/** Runs a line, with the folder left out of what it prints. */
async function cli(args: readonly string[], interactive = false) {
  const { code, out, err } = await type(args, { env: { MCP_BROKER_URL: app.url }, interactive })
  const plain = (text: string) => Bun.stripANSI(text).replaceAll(`${folder.path}/`, '')
  return { code, out: plain(out), err: plain(err) }
}
const protocols = (...args: string[]) => cli(['protocols', ...args])
const screen = (...args: string[]) => cli(['protocols', ...args], true)
const call = async (...args: string[]) => JSON.parse((await cli(['call', ...args, '--json'])).out)

/** Registers definitions, as one file. */
async function register(...definitions: object[]) {
  expect(await protocols('register', await folder.write('setup.json', definitions))).toMatchObject({
    code: 0,
  })
}

describe('list', () => {
  test('the newest version of each, in a pipe and in a terminal', async () => {
    await register(
      note('1.0.0', ['text!'], { metadata: { description: 'A note. For anybody.' } }),
      note('1.1.0', ['text!', 'to']),
    )
    const { code, out } = await protocols('list')
    expect(code).toBe(0)
    expect(out.split('\n').map((row) => row.split('\t').slice(0, 5).join(' ').trim())).toEqual([
      'chat 1.0.0 1',
      'file_lease 1.0.0 1',
      'note 1.1.0 2 full',
      'task 1.0.0 1',
    ])
    expect(out.split('\n')[0]).toEndWith('\tText between people, agents and programs.')
    expect((await screen('list')).out).toMatch(
      /^NAME +VERSION +OF +RELATION +STATE +WHAT IT IS\nchat +1\.0\.0 +1/,
    )
  })

  test('each version of one, newest first, over more than a page; what is deprecated', async () => {
    const versions = Array.from({ length: 105 }, (_, n) => note(`1.0.${n}`, ['text!']))
    await register(...versions)
    await call('deprecate_protocol', 'name=note', 'version=1.0.103', 'message=broken')
    const { protocols: found } = JSON.parse((await protocols('list', 'note', '--json')).out)
    expect(found.map(({ version }: { version: string }) => version)).toEqual(
      versions.map(({ version }) => version).reverse(),
    )
    const rows = (await protocols('list', 'note')).out.split('\n').map((row) => row.split('\t'))
    expect(rows[0]?.slice(1, 5)).toEqual(['1.0.104', '105', 'full', ''])
    expect(rows[1]?.slice(1, 5)).toEqual(['1.0.103', '105', 'full', 'deprecated'])
  })

  test('what is not there', async () => {
    expect(await protocols('list', 'nix')).toEqual({
      code: 1,
      out: '',
      err: `error: No protocol "nix" is registered.\n  See "${TYPED} protocols list".`,
    })
  })
})

describe('show', () => {
  test('members, examples and notes of a ready protocol', async () => {
    const { code, out } = await screen('show', 'task')
    expect(code).toBe(0)
    expect(out).toStartWith('task 1.0.0\nWork that one client asks another to do')
    expect(out).toContain('sent by: point_to_point, request_response, streaming\ntags: ready, work')
    expect(out).toContain('\nkind "accept": Takes the work on. The task is working.\n')
    expect(out).toMatch(/^title +text, 1–200 +required +the work in one line$/m)
    expect(out).toContain('\nExample: accept\n{"kind":"accept","task_id":"frontend-17","eta_seconds":1800}\n')
    expect(out).toContain('\nFor agents\nChoose a task_id')
  })

  test('one version, the newest that is not deprecated, all of it for programs', async () => {
    await register(
      note('1.0.0', ['old!'], shows({ old: 'a' })),
      note('2.0.0', ['text!'], {
        ...shows({ text: 'a' }),
        adapters: [{ from: '1.x', up: [{ op: 'rename', path: '/old', to: 'text' }] }],
      }),
      note('3.0.0', ['body!']),
    )
    await call('deprecate_protocol', 'name=note', 'version=3.0.0', 'message=Do not.', 'successor=2.0.0')
    const newest = (await protocols('show', 'note')).out
    expect(newest).toContain('note 2.0.0\n')
    expect(newest).toContain('adapters: from 1.x\n')
    expect(newest).toContain('relation: breaking to the version before\n')
    expect((await protocols('show', 'note@1.0.0')).out).toContain('\nMembers\nold\ttext\trequired\t\n')
    expect((await protocols('show', 'note@3.0.0')).out).toContain('Deprecated. Do not. Use 2.0.0.\n')
    expect(JSON.parse((await protocols('show', 'note@1.0.0', '--json')).out)).toMatchObject({
      name: 'note',
      version: '1.0.0',
      schema: note('1.0.0', ['old!']).schema,
      examples: [{ name: 'example 1', payload: { old: 'a' } }],
      adapters: [],
    })
    expect((await protocols('show', 'note@9.0.0')).err).toContain('No version 9.0.0 of "note" is registered.')
  })

  test('a large one is whole', async () => {
    const members = Array.from({ length: 400 }, (_, n) => `member_with_a_long_name_number_${n}`)
    await register(note('1.0.0', members))
    const { schema } = JSON.parse((await protocols('show', 'note', '--json')).out)
    expect(Object.keys(schema.properties)).toEqual(members)
  })
})

describe('register', () => {
  test('created, then unchanged, then updated where only the metadata is new', async () => {
    await folder.write('b.json', [note('1.1.0', ['text!', 'to']), note('1.0.0', ['text!'])])
    await folder.write(
      'a.yaml',
      'name: memo\nversion: 1.0.0\nschema: {type: object, properties: {a: {type: string}}}\n',
    )
    expect((await protocols('register', folder.path)).out).toBe(
      'created\tmemo\t1.0.0\t\ncreated\tnote\t1.0.0\t\ncreated\tnote\t1.1.0\tfull',
    )
    await folder.write('b.json', [
      note('1.1.0', ['text!', 'to']),
      note('1.0.0', ['text!'], shows({ text: 'a' })),
    ])
    const again = await protocols('register', folder.at('b.json'), folder.at('a.yaml'))
    expect(again.out.split('\n').map((row) => row.split('\t').slice(0, 3).join(' '))).toEqual([
      'unchanged memo 1.0.0',
      'updated note 1.0.0',
      'unchanged note 1.1.0',
    ])
    expect((await screen('register', folder.path)).out).toMatch(
      /^WHAT WAS DONE +NAME +VERSION +RELATION\nunchanged/,
    )
  })

  test('--dry-run keeps nothing', async () => {
    const file = await folder.write('note.json', note('1.0.0', ['text!']))
    expect(await protocols('register', file, '--dry-run')).toMatchObject({
      code: 0,
      out: 'would be created\tnote\t1.0.0\t',
    })
    expect((await protocols('list', 'note')).code).toBe(1)
    const { dry_run, protocols: done } = JSON.parse(
      (await protocols('register', file, '--dry-run', '--json')).out,
    )
    expect(dry_run).toBe(true)
    expect(done).toMatchObject([{ name: 'note', version: '1.0.0', created: true }])
  })

  test('--dry-run says which versions of the files it did not compare', async () => {
    const versions = [note('1.0.0', ['text!']), note('1.1.0', ['text!', 'to!'])]
    const file = await folder.write('notes.json', versions)
    const { code, err } = await protocols('register', file, '--dry-run')
    expect(code).toBe(0)
    expect(err).toStartWith(
      'warning: note 1.1.0: It was not compared with 1.0.0, which is not registered yet',
    )
    expect(err.split('\n')).toHaveLength(1)
  })

  test('a name of a ready protocol, with a warning', async () => {
    const file = await folder.write('chat.json', { ...note('1.0.0', ['text!']), name: 'chat' })
    const { code, out, err } = await protocols('register', file)
    expect({ code, out }).toEqual({ code: 0, out: 'created\tchat\t1.0.0\t' })
    expect(err).toMatch(/^warning: chat 1\.0\.0: .*ready protocol/m)
  })

  test('what is refused: the file, the reasons, and no higher version of it; other names go on', async () => {
    const file = await folder.write('all.json', [
      note('1.0.0', ['text!']),
      note('1.1.0', ['text!', 'to!']),
      note('1.2.0', ['text!']),
      note('1.3.0', ['text!']),
      { ...note('1.0.0', []), name: 'other' },
    ])
    const { code, out, err } = await protocols('register', file)
    expect(code).toBe(1)
    expect(out.split('\n').map((row) => row.split('\t').slice(0, 3).join(' '))).toEqual([
      'created note 1.0.0',
      'created other 1.0.0',
    ])
    expect(err).toContain('warning: note 1.2.0, 1.3.0: left out, after one that was refused\n')
    expect(err).toContain('error: note 1.1.0 (all.json, item 2): ')
    expect(err).toContain('For example {"text":"a"}')
    const json = JSON.parse((await protocols('register', file, '--json')).err.split('\n').at(-1)!)
    expect(json.errors).toMatchObject([{ code: 'protocol_breaking', file: expect.any(String), index: 1 }])
  })

  test('another definition under a version that is taken', async () => {
    await register(note('1.0.0', ['text!']))
    const { code, err } = await protocols('register', await folder.write('x.json', note('1.0.0', ['body!'])))
    expect(code).toBe(1)
    expect(err).toStartWith('error: note 1.0.0 (x.json): ')
  })

  test('a wrong file is told, and nothing is registered', async () => {
    await folder.write('a.json', note('1.0.0', ['text!']))
    await folder.write('b.json', '{')
    const { code, err } = await protocols('register', folder.path)
    expect(code).toBe(1)
    expect(err).toContain('error: b.json: It cannot be parsed')
    expect((await protocols('list', 'note')).code).toBe(1)
  })

  test('a missing key is told once', async () => {
    await using guarded = await startBroker({ admin_key: KEY })
    await folder.write('all.json', [note('1.0.0', ['text!']), { ...note('1.0.0', []), name: 'other' }])
    const env = { MCP_BROKER_URL: guarded.url }
    expect(await type(['protocols', 'register', folder.path], { env })).toEqual({
      code: 1,
      out: '',
      err: 'error: This broker needs a key.\n  Give it in the variable MCP_BROKER_API_KEY.',
    })
  })
})

test('diff of two registered versions', async () => {
  await register(note('1.0.0', ['text!']), note('2.0.0', ['text!', 'to!']))
  const { code, out } = await protocols('diff', 'note', '1.0.0', '2.0.0')
  expect(code).toBe(0)
  expect(out).toStartWith('note 1.0.0 → 2.0.0: forward')
  expect(out).toContain('{"text":"a"}')
  expect((await protocols('diff', 'note', '1.0.0', '3.0.0')).err).toContain('No version 3.0.0 of "note"')
})

test('types: the newest of each, one version, every version', async () => {
  await register(note('1.0.0', ['first!']), note('2.0.0', ['second']))
  const newest = (await protocols('types')).out
  for (const member of ['second?: string', 'kind: "request"', 'kind: "acquire"'])
    expect(newest).toContain(member)
  expect(newest).not.toContain('first: string')
  expect((await protocols('types', 'note')).out).not.toContain('task_id')
  expect((await protocols('types', 'note@1.0.0')).out).toContain('first: string')
  const all = (await protocols('types', 'note', '--all')).out
  expect(all.indexOf('first: string')).toBeWithin(0, all.indexOf('second?: string'))
})

describe('migrate', () => {
  beforeEach(async () => {
    await register(
      note('1.0.0', ['text'], shows({ text: 'a' })),
      note('2.0.0', ['body!'], {
        ...shows({ body: 'a' }),
        adapters: [{ from: '1.x', up: [{ op: 'rename', path: '/text', to: 'body' }] }],
      }),
    )
    await call('checkin_client', 'client_id=backend')
    for (const payload of ['{"text":"one"}', '{"text":"two"}']) await send(payload)
  })

  const send = (payload: string) =>
    call(
      'send_message',
      'sender_id=a',
      'recipient_id=backend',
      'protocol_name=note',
      'protocol_version=1.0.0',
      `payload=${payload}`,
    )

  test('without --apply it counts, and with it what is pending is another version', async () => {
    expect(await protocols('migrate', 'note', '--to', '2.0.0')).toEqual({
      code: 0,
      out: 'rewritten\t2\nleased_or_delivered\t0\nacknowledged\t0\nfailed\t0\nno_room\t0',
      err: 'Nothing was changed: --apply does it.',
    })
    const json = JSON.parse((await protocols('migrate', 'note', '--to', '2.0.0', '--json')).out)
    expect(json).toMatchObject({ dry_run: true, rewritten: 2 })
    expect(await screen('migrate', 'note', '--to', '2.0.0', '--from', '^1.0.0', '--apply')).toEqual({
      code: 0,
      out: '2 messages became note 2.0.0.',
      err: '',
    })
    const { messages } = await call('get_messages', 'client_id=backend')
    expect(messages).toMatchObject([
      { payload: { body: 'one' }, protocol_version: '2.0.0' },
      { payload: { body: 'two' }, protocol_version: '2.0.0' },
    ])
    expect((await screen('migrate', 'note', '--to', '2.0.0')).out).toContain(
      '0 messages would become note 2.0.0.',
    )
  })

  test('what the adapters cannot turn is listed, and is a failure', async () => {
    const { message_id } = await send('{}')
    const { code, out, err } = await protocols('migrate', 'note', '--to', '2.0.0')
    expect(code).toBe(1)
    expect(out).toContain('rewritten\t2\n')
    expect(out).toContain('failed\t1\n')
    expect(err).toStartWith(`${message_id}: `)
    expect((await screen('migrate', 'note', '--to', '2.0.0', '--apply')).out).toBe(
      '2 messages became note 2.0.0.\nLeft: 1 message that the adapters cannot turn.',
    )
  })

  test('no version in the range that adapters lead from', async () => {
    const { code, err } = await protocols('migrate', 'note', '--to', '2.0.0', '--from', '0.x')
    expect(code).toBe(1)
    expect(err).toContain('No version of note other than 2.0.0 is in the range 0.x.')
  })

  test('a version that there is not', async () => {
    const { code, err } = await protocols('migrate', 'note', '--to', '9.0.0')
    expect(code).toBe(1)
    expect(err).toContain('9.0.0')
  })
})

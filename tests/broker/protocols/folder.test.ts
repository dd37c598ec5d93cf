import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { registerFolder, type Told } from '../../../src/broker/protocols/registration/folder.ts'
import { startBroker } from '../../harness.ts'
import { MAIL, run, texts } from './rig.ts'

let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'protocols-'))
})

afterAll(() => rm(root, { recursive: true }))

/** Writes a folder of files, each by its path within. */
async function folder(name: string, files: Readonly<Record<string, unknown>>): Promise<string> {
  const path = join(root, name)
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true })
    await writeFile(join(path, file), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return path
}

const NOTE = { name: 'note', version: '1.0.0', schema: texts('text') }
const YAML = 'name: note\nversion: 2.0.0\nschema:\n  type: object\n  requried: [title]\n'

describe('the protocols of a folder', () => {
  test('are registered at the start, and once only', async () => {
    const path = await folder('good', { 'mail.json': MAIL, 'deep/er/note.yaml': YAML, 'note.json': NOTE })
    await using app = await startBroker({ protocols: path, protocol_mode: 'registered' })
    const { protocols } = await run(app, 'discover_protocols', { name: '*', limit: 100 })
    expect(protocols).toMatchObject([
      { name: 'chat' },
      { name: 'file_lease' },
      { name: 'mail', version: '3.0.0', versions: 3 },
      { name: 'note', version: '2.0.0', versions: 2 },
      { name: 'task' },
    ])
    const told: Told[] = []
    await registerFolder(app.broker, path, (one) => told.push(one))
    expect(new Set(told.map(({ done }) => done))).toEqual(new Set(['unchanged']))
  })

  test('are told of one by one', async () => {
    await using app = await startBroker()
    const path = await folder('told', { 'a.json': [{ ...NOTE, version: '1.1.0' }, NOTE], 'b.yml': YAML })
    const told: Told[] = []
    await registerFolder(app.broker, path, (one) => told.push(one))
    expect(told).toMatchObject([
      { protocol: 'note 1.0.0', file: expect.stringContaining('a.json, item 2'), done: 'created' },
      { protocol: 'note 1.1.0', file: expect.stringContaining('a.json, item 1'), done: 'created' },
      { protocol: 'note 2.0.0', file: expect.stringContaining('b.yml'), done: 'created' },
    ])
    expect(told[2]!.warnings).toEqual([expect.stringContaining('required')])
    const changed = { ...NOTE, metadata: { description: 'Notes.' } }
    const again = await folder('told', { 'a.json': [{ ...NOTE, version: '1.1.0' }, changed] })
    told.length = 0
    await registerFolder(app.broker, again, (one) => told.push(one))
    expect(told.map(({ done }) => done)).toEqual(['updated', 'unchanged', 'unchanged'])
  })

  test('that cannot be registered are all named, and the broker does not start', async () => {
    const path = await folder('bad', {
      'broken.json': '{"name":',
      'breaking.json': [NOTE, { ...NOTE, version: '1.1.0', schema: texts('text', 'title') }],
      'pattern.yaml': 'name: pattern\nversion: 1.0.0\nschema: {type: string, pattern: "(a)\\\\1"}\n',
      'good.json': { ...NOTE, name: 'good' },
    })
    const failure = await startBroker({ protocols: path }).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    const lines = failure!.message.split('\n')
    expect(lines[0]).toBe(`The protocols of "${path}" cannot all be registered.`)
    expect(lines.slice(1).map((line) => line.slice(path.length + 1).split(':')[0])).toEqual([
      'broken.json',
      'breaking.json, item 2',
      'pattern.yaml',
    ])
    expect(failure!.message).toContain('register it as a new major version, or set allow_breaking to true.')
  })

  test('are none where there is no folder', async () => {
    const path = join(root, 'nowhere')
    await expect(startBroker({ protocols: path })).rejects.toThrow(path)
  })
})

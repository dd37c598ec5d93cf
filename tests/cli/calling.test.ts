import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { App } from '../../src/app.ts'
import { COMMANDS } from '../../src/broker/commands/index.ts'
import { errorLines } from '../../src/core/error-lines.ts'
import { startBroker } from '../harness.ts'
import { TYPED, type } from './harness.ts'

let app: App & AsyncDisposable
let env: Record<string, string>

beforeAll(async () => {
  app = await startBroker()
  env = { MCP_BROKER_URL: app.url }
})
afterAll(() => app.stop())

const cli = (...args: string[]) => type(args, { env })
const screen = (...args: string[]) => type(args, { env, interactive: true })
const inbox = async (name: string) => JSON.parse((await cli('inbox', name, '--json')).out).messages

const KEY = '0123456789abcdef-operator'

describe('sessions', () => {
  test('columns and colours in a terminal, tabs in a pipe, all in JSON', async () => {
    await cli(
      'call',
      'checkin_client',
      'client_id=rev',
      'name=The reviewer',
      'capabilities={"features":["review"]}',
    )
    const shown = await screen('sessions', '--feature', 'review')
    expect(Bun.stripANSI(shown.out)).toBe(
      'CLIENT  STATUS  SEEN      NAME          FEATURES\nrev     active  just now  The reviewer  review',
    )
    expect(shown.out).toContain('\x1b[32mactive')
    const plain = await type(['sessions', '--feature', 'review'], {
      env: { ...env, NO_COLOR: '1' },
      interactive: true,
    })
    expect(plain.out).not.toContain('\x1b')
    const piped = await cli('sessions', '--feature', 'review', '--status', 'active', '--status', 'stale')
    expect(piped.out.split('\t')).toEqual([
      'rev',
      'active',
      expect.any(String),
      expect.any(String),
      'The reviewer',
    ])
    const json = JSON.parse((await cli('sessions', '--feature', 'review', '--json')).out)
    expect(json.sessions[0].capabilities).toEqual({ features: ['review'] })
    const filter = 'capability_filter={"features":["review"]}'
    expect(JSON.parse((await cli('call', 'list_sessions', filter, '--json')).out).sessions).toHaveLength(1)
    expect((await cli('sessions', '--feature', 'review', '--status', 'stale')).out).toBe('')
  })

  test('what --limit hides is told', async () => {
    for (const id of ['one', 'two']) await cli('call', 'checkin_client', `client_id=${id}`)
    expect((await cli('sessions', '--limit', '1')).err).toMatch(/^\d+ sessions in all/)
  })
})

describe('status', () => {
  test('for people and for programs', async () => {
    expect((await cli('status')).out).toContain('status             running')
    expect(JSON.parse((await cli('status', '--json')).out)).toMatchObject({ ready: true, stored: 'memory' })
  })

  test('without a broker', async () => {
    expect(await cli('status', '--url', 'http://127.0.0.1:1')).toEqual({
      code: 1,
      out: '',
      err: `error: No broker answers at http://127.0.0.1:1.\n  Start one with "${TYPED} serve", or say where it is with --url or MCP_BROKER_URL.`,
    })
  })

  test('something else than a broker', async () => {
    using other = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response('hi', { status: 418 }),
    })
    const url = `http://127.0.0.1:${other.port}`
    expect((await cli('sessions', '--url', url)).err).toContain(
      'answered with HTTP 418, and not as a broker does.',
    )
    expect((await cli('status', '--url', url)).code).toBe(1)
  })

  test('the port of the same environment, as in a container', async () => {
    const { port } = new URL(app.url)
    expect((await type(['status'], { env: { MCP_BROKER_PORT: port } })).code).toBe(0)
  })

  test.each(['ftp://x', 'localhost:8123', 'nonsense'])('--url %s is no address', async (url) => {
    const { code, err } = await cli('status', '--url', url)
    expect(code).toBe(2)
    expect(err).toContain(`"${url}" is not the address of a broker.`)
  })
})

describe('keys', () => {
  let guarded: App & AsyncDisposable
  beforeAll(async () => {
    guarded = await startBroker({ admin_key: KEY })
  })
  afterAll(() => guarded.stop())
  const at = (more: Record<string, string> = {}) => ({ env: { MCP_BROKER_URL: guarded.url, ...more } })

  test('none, a wrong one, the right one', async () => {
    const none = await type(['sessions'], at())
    expect(none).toEqual({
      code: 1,
      out: '',
      err: 'error: This broker needs a key.\n  Give it in the variable MCP_BROKER_API_KEY.',
    })
    const wrong = await type(['sessions'], at({ MCP_BROKER_API_KEY: 'wrong' }))
    expect(wrong.err).toContain('The broker does not know this key.')
    expect((await type(['sessions'], at({ MCP_BROKER_API_KEY: KEY }))).code).toBe(0)
    expect((await type(['sessions', '--key', KEY], at())).code).toBe(0)
  })

  test('a health check needs none', async () => {
    const { code, out, err } = await type(['status'], at())
    expect({ code, out }).toEqual({ code: 0, out: 'ready' })
    expect(err).toContain('The figures need a key')
    expect(JSON.parse((await type(['status', '--json'], at())).out)).toEqual({
      ready: true,
      url: guarded.url,
    })
  })
})

describe('call', () => {
  test('alone it lists what there is', async () => {
    const { code, out } = await cli('call')
    expect(code).toBe(0)
    expect(out.split('\n')).toEqual(COMMANDS.map(({ name, summary }) => `${name}\t${summary}`))
    expect((await screen('call')).out).toMatch(/COMMAND +WHAT IT DOES/)
    expect(JSON.parse((await cli('call', '--json')).out)[0]).toEqual({
      name: 'checkin_client',
      summary: COMMANDS[0]!.summary,
    })
  })

  test('what goes into the path stays one part of it', async () => {
    const { code, err } = await cli('call', 'get_messages', 'client_id=a/../b?c#d')
    expect(code).toBe(1)
    expect(err).toContain('client_id is "a/../b?c#d"')
  })

  test('text stays text, the rest is JSON', async () => {
    const { message_id } = JSON.parse(
      (await cli('call', 'send_message', 'sender_id=a', 'recipient_id=typed', 'message=1', 'ttl_seconds=9'))
        .out,
    )
    const status = JSON.parse((await cli('call', 'get_message_status', `message_id=${message_id}`)).out)
    expect(status).toMatchObject({ status: 'queued', recipients: [{ recipient_id: 'typed' }] })
    expect(await inbox('typed')).toMatchObject([{ payload: '1' }])
    const sessions = JSON.parse(
      (await cli('call', 'list_sessions', 'status_filter=["active"]', 'limit=1')).out,
    )
    expect(sessions.sessions).toHaveLength(1)
  })

  test('a refusal has all that it lists: further errors, a payload that fits, where in a schema', async () => {
    const typed = ['call', 'send_message', 'sender_id=a', 'recipient_id=b', 'protocol_name=chat']
    const { code, err } = await cli(...typed, 'payload={"txt":"hi"}')
    expect(code).toBe(1)
    expect(err.split('\n')).toEqual([
      'error: The payload does not fit chat 1.0.0: /text is required and missing.',
      '  /txt is not a property here; did you mean "text"?',
      '  A payload that fits: {"text":"The build of main is green again."}',
      '  Correct what errors lists; example is a payload that fits.',
    ])
    const schema = 'schema={"properties":{"a":{"type":"strng"}}}'
    const refused = await cli('call', 'register_protocol', 'name=note', 'version=1.0.0', schema)
    expect(refused.err).toContain('\n  It is at /properties/a/type of the schema.\n')
  })

  test('more errors than a refusal lists are counted, and a long payload is cut', () => {
    const sentences = (count: number) => Array.from({ length: count }, (_, i) => ({ sentence: `${i}.` }))
    expect(errorLines({ errors: sentences(3), errors_total: 8 })).toEqual(['1.', '2.', 'And 5 more.'])
    expect(errorLines({ example: 'x'.repeat(5000) })[0]).toHaveLength(4118)
    expect(errorLines({ errors: sentences(1), errors_total: 1, path: '/a' })).toEqual([])
  })

  test('readable in a terminal', async () => {
    expect((await screen('call', 'get_my_identity')).out).toContain(
      'Nothing here says that you have an address in project default yet.',
    )
  })

  test.each([
    [['call', 'send_mesage'], 'There is no command "send_mesage".\n  Did you mean send_message?'],
    [['call', 'xyzzy'], `See "${TYPED} call --help".`],
    [
      ['call', 'send_message', 'recipent_id=a'],
      'send_message has no parameter "recipent_id".\n  Did you mean recipient_id?',
    ],
    [['call', 'get_my_identity', 'x=1'], 'It has client_id.'],
    [['call', 'get_message_status', 'message_id'], 'message_id has no value.'],
    [['call', 'get_message_status', '__proto__=1'], 'has no parameter "__proto__"'],
    [['call', 'get_message_status'], 'get_message_status needs message_id.'],
    [
      ['call', 'list_sessions', 'capability_filter={features:[]}'],
      'capability_filter looks like JSON, and is none',
    ],
    [['call', 'send_message', 'recipient_id=a', 'payload=[1,'], 'payload looks like JSON, and is none'],
  ])('a wrong line: %j', async (args, expected) => {
    const { code, err } = await cli(...args)
    expect(code).toBe(2)
    expect(err).toContain(expected)
  })
})

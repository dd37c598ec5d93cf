import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import { startBroker } from '../harness.ts'
import { run, TYPED, type } from './harness.ts'

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

describe('send', () => {
  test('a text: prints the id alone, and warns on the side', async () => {
    const { code, out, err } = await cli('send', 'alpha', 'hello')
    expect(code).toBe(0)
    expect(out).toMatch(/^[0-9a-f-]{36}$/)
    expect(err).toContain('warning: Nobody has checked in as "alpha" yet')
    expect(await inbox('alpha')).toMatchObject([{ message_id: out, sender_id: 'cli', payload: 'hello' }])
  })

  test('JSON with everything that can be said of it', async () => {
    const { code } = await cli(
      'send', 'beta', '--payload', '{"n":1}', '--from', 'frontend', '--priority=urgent', '--ttl', '60',
      '--header', 'trace=a=b', '--header', 'empty=', '--reply-to', 'm1', '--idempotency-key', 'k1',
    ) // biome-ignore format: as typed
    expect(code).toBe(0)
    expect(await inbox('beta')).toMatchObject([
      {
        sender_id: 'frontend',
        payload: { n: 1 },
        priority: 'urgent',
        headers: { trace: 'a=b', empty: '' },
        in_reply_to: 'm1',
        expires_at: expect.any(String),
      },
    ])
  })

  test('the same idempotency key sends once', async () => {
    const first = await cli('send', 'gamma', 'x', '--idempotency-key', 'once')
    const again = await cli('send', 'gamma', 'x', '--idempotency-key', 'once')
    expect(again.out).toBe(first.out)
    expect(again.err).toContain('nothing was sent anew')
    expect(await inbox('gamma')).toHaveLength(1)
  })

  test('in a terminal: a sentence', async () => {
    expect((await screen('send', 'alpha', 'x')).out).toMatch(
      /queued.* [0-9a-f-]{36}; the recipient is active, the message is kept \(memory\) until \d\d:/,
    )
  })

  test('--wait prints the reply and nothing else', async () => {
    const asked = cli('send', 'oracle', 'six by seven?', '--wait=5', '--from', 'asker')
    const question = JSON.parse((await cli('inbox', 'oracle', '--wait', '5', '--json')).out).messages[0]
    await cli('send', 'asker', '42\nof course', '--from', 'oracle', '--reply-to', question.message_id)
    const { code, out } = await asked
    expect(code).toBe(0)
    expect(out).toBe('42\nof course')
  })

  test('--wait without a reply fails, and says where a later one will be', async () => {
    const { code, out, err } = await cli('send', 'nobody', 'x', '--wait=0.05', '--from', 'asker2')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(`within 0.05 s.\n  A later one will be in the mailbox: "${TYPED} inbox asker2".`)
    const json = await cli('send', 'nobody', 'x', '--wait=0.05', '--json')
    expect(json.code).toBe(1)
    expect(JSON.parse(json.out)).toMatchObject({ timed_out: true })
  })

  test.each([
    [['send', 'a'], 'There is nothing to send.'],
    [['send', 'a', 'text', '--payload', '1'], 'There is a text and a --payload.'],
    [['send', 'a', '--payload', '{'], 'The payload is not JSON'],
    [['send', 'a', 'x', '--header', 'novalue'], 'Write it as NAME=TEXT.'],
    [['send', 'a', 'x', '--ttl', 'soon'], 'It must be a number of seconds.'],
    [['send', 'a', 'x', '--wait=-1'], 'It must be a number of seconds.'],
    [['send', 'a', 'x', '--priority'], '--priority needs a value.'],
    [['send', 'a', 'x', '--priority', '--wait'], '--priority needs a value.'],
    [['send', 'a', 'x', '--from', 'b', '--from', 'c'], '--from is given more than once.'],
    [
      ['send', 'a', 'x', '--prioritty', 'low'],
      'There is no flag --prioritty here.\n  Did you mean --priority?',
    ],
    [['send', 'a', 'b', 'c'], 'send does not understand "c".'],
    [['send'], 'send needs more than that.'],
  ])('a wrong line ends with 2: %j', async (args, expected) => {
    const { code, out, err } = await cli(...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(expected)
  })

  test("the broker's refusal ends with 1, in its own words", async () => {
    const { code, err } = await cli('send', 'a', 'x', '--priority', 'highest')
    expect(code).toBe(1)
    expect(err).toContain('priority is "highest"')
    const json = await cli('send', 'a', 'x', '--priority', 'highest', '--json')
    expect(JSON.parse(json.err)).toMatchObject({
      errors: [
        { code: 'invalid_params', field: '/priority', retryable: false, correlation_id: expect.any(String) },
      ],
    })
  })
})

describe('inbox', () => {
  test('in a pipe one line a message, whatever is in it', async () => {
    await cli('send', 'lines', 'a\tb\nc\\d \x1b[2J', '--from', 'x')
    await cli('send', 'lines', '--payload', '{"text":"a\\nb"}', '--from', 'x')
    const lines = (await cli('inbox', 'lines')).out.split('\n')
    expect(lines.map((line) => line.split('\t').slice(2))).toEqual([
      ['x', 'a\\tb\\nc\\\\d \\x1b[2J'],
      ['x', '{"text":"a\\nb"}'],
    ])
  })

  test('in a terminal: readable, and harmless', async () => {
    await cli('send', 'seen', 'two\nlines\x1b[2J\u202e', '--from', 'x', '--priority', 'high')
    const { out } = await screen('inbox', 'seen')
    expect(Bun.stripANSI(out)).toMatch(/^\d\d:\d\d:\d\d {2}x \(high\) {2}two\n {10}lines\\x1b\[2J\\x202e$/)
    expect(out).not.toContain('\x1b[2J')
  })

  test('looking leaves it there, reading takes it', async () => {
    await cli('send', 'looked', 'x')
    const look = await cli('inbox', 'looked', '--ack', 'none')
    expect(look.out).toContain('\tx')
    expect((await cli('inbox', 'looked')).out).toBe(look.out)
    expect(await screen('inbox', 'looked')).toEqual({ code: 0, out: '', err: 'No new messages.' })
  })

  test('what --limit leaves is told', async () => {
    for (const text of ['1', '2', '3']) await cli('send', 'many', text)
    expect((await cli('inbox', 'many', '--limit', '1')).err).toBe('2 more: read again, or raise --limit.')
  })

  test('manual leases, and call ack_messages takes', async () => {
    await cli('send', 'leased', 'x')
    await cli('inbox', 'leased', '--ack', 'manual')
    const acked = await cli('call', 'ack_messages', 'client_id=leased')
    expect(JSON.parse(acked.out)).toEqual({ acknowledged: 1, unknown: [] })
  })
})

describe('the program itself', () => {
  test('text from standard input, and the id in a pipe', async () => {
    const { code, out } = await run(['send', 'stdin', '-', '--from', 'x'], { env, stdin: 'from a pipe\n' })
    expect(code).toBe(0)
    expect(await inbox('stdin')).toMatchObject([{ message_id: out.trim(), payload: 'from a pipe\n' }])
  })

  test('a terminal gets columns and colours, unless NO_COLOR', async () => {
    await cli('call', 'checkin_client', 'client_id=pty')
    const terminal = async (extra: Record<string, string>) =>
      (
        await run(
          [
            '-qec',
            `${process.execPath} ${new URL('../../src/main.ts', import.meta.url).pathname} sessions`,
            '/dev/null',
          ],
          { env: { ...env, ...extra } },
          ['script'],
        )
      ).out
    const coloured = await terminal({})
    expect(coloured).toContain('CLIENT')
    expect(coloured).toContain('\x1b[32mactive')
    const plain = await terminal({ NO_COLOR: '1' })
    expect(plain).toContain('CLIENT')
    expect(plain).not.toContain('\x1b[')
  })

  // One writes all at once, the other line by line: the pipe says at the write, or later, that nobody reads.
  test.each(['reference', 'check'])('a reader that goes away is no failure: config %s', async (what) => {
    const dir = mkdtempSync(join(tmpdir(), 'pipe-'))
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    const line = `${process.execPath} ${main} config ${what} | head -1; echo "\${PIPESTATUS[0]}" > ${dir}/code`
    const { err } = await run(['-c', line], {}, ['bash'])
    expect(err).toBe('')
    expect((await Bun.file(`${dir}/code`).text()).trim()).toBe('0')
  })
})

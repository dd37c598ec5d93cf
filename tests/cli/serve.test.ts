import { describe, expect, test } from 'bun:test'
import { until } from '../harness.ts'
import { MAIN, run, start } from './harness.ts'

/** A broker in a process of its own; `lines` are its log so far. */
function serve(args: string[] = [], env: Record<string, string> = {}) {
  const child = start(['serve', '--port', '0', ...args], { env })
  const lines: Record<string, string>[] = []
  const reading = (async () => {
    let rest = ''
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts.map((line) => JSON.parse(line)))
    }
  })()
  const logged = (msg: string) => until(`"${msg}"`, () => lines.find((line) => line.msg === msg))
  return {
    child,
    lines,
    logged,
    url: async () => (await logged('listening')).url!,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await Promise.all([child.exited, reading])
    },
  }
}

/** The first line of a broker without a directory. */
const IN_MEMORY = 'messages are kept in memory, and are lost with this process: --data-dir DIR keeps them'

describe('serve', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops it in order, and it ends by itself with 0',
    async (signal) => {
      await using broker = serve()
      const url = await broker.url()
      const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`)
      const closed = new Promise<number>((resolve) =>
        socket.addEventListener('close', ({ code }) => resolve(code)),
      )
      await new Promise((resolve) => socket.addEventListener('open', resolve))
      broker.child.kill(signal)
      expect(await closed).toBe(3001)
      expect(await broker.child.exited).toBe(0)
      expect(broker.lines.map(({ msg }) => msg)).toEqual([IN_MEMORY, 'listening', 'stopping', 'stopped'])
    },
  )

  test('a second signal ends it at once', async () => {
    await using broker = serve(['--drain-seconds', '60'])
    const url = await broker.url()
    const sockets = Array.from({ length: 200 }, () => new WebSocket(`${url.replace('http', 'ws')}/v1/ws`))
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.addEventListener('open', resolve))),
    )
    broker.child.kill('SIGTERM')
    await broker.logged('stopping')
    broker.child.kill('SIGTERM')
    expect(await broker.child.exited).toBe(143)
    expect(broker.lines.at(-1)?.msg).toBe('stopping')
  })

  test('settings are those of flags, variables and file', async () => {
    await using broker = serve(['--mailbox-messages-max', '1'], { MCP_BROKER_HISTORY_MESSAGES_MAX: '0' })
    const env = { MCP_BROKER_URL: await broker.url() }
    expect((await run(['send', 'a', '1'], { env })).code).toBe(0)
    const full = await run(['send', 'a', '2'], { env })
    expect(full.code).toBe(1)
    expect(full.err).toContain('The mailbox of "a" is full.')
  })

  test('a port in use: one clear sentence, and 1', async () => {
    await using broker = serve()
    const { port } = new URL(await broker.url())
    expect(await run(['serve', '--port', port])).toEqual({
      code: 1,
      out: '',
      err: `error: Port ${port} on 127.0.0.1 is in use.\n  Stop what listens there, or choose another with --port (0 takes a free one).\n`,
    })
  })

  test.each([
    [['--host', '203.0.113.7', '--insecure'], 1, 'This machine has no address 203.0.113.7.'],
    [
      ['--host', 'no.such.name.invalid', '--insecure'],
      1,
      'This machine has no address no.such.name.invalid.',
    ],
    [['--host', '0.0.0.0'], 1, 'Listening on 0.0.0.0 without keys'],
    [['--port', 'x'], 1, '--port is the text "x".'],
    [['--prt', '1'], 2, 'Did you mean --port?'],
  ])('a start that is refused: %j', async (args, code, expected) => {
    const ended = await run(['serve', ...args])
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: '' })
    expect(ended.err).toContain(expected)
    // Two lines to each problem, no stack.
    expect(ended.err.trimEnd().split('\n')).toHaveLength(2)
  })

  test('a directory that cannot be made is refused in one sentence', async () => {
    const ended = await run(['serve', '--data-dir', '/no/such/parent/data'])
    expect(ended.code).toBe(1)
    expect(ended.err).toStartWith('error: The data directory /no/such/parent/data cannot be made')
    expect(ended.err.trimEnd().split('\n')).toHaveLength(2)
  })

  test('a name without an address is called so, also where standard output is no pipe', async () => {
    const line = [process.execPath, MAIN, 'serve', '--host', 'no.such.name.invalid', '--insecure']
    const child = Bun.spawn(line, { stdout: 'ignore', stderr: 'pipe' })
    expect(await child.stderr.text()).toStartWith('error: This machine has no address no.such.name.invalid.')
    expect(await child.exited).toBe(1)
  })

  test('in a terminal it says where it listens and what to try, and logs readably', async () => {
    const child = start(
      ['-qec', `${process.execPath} ${MAIN} serve --port 0 --ttl-seconds 77`, '/dev/null'],
      {},
      ['script'],
    )
    let screen = ''
    const reading = (async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) screen += text
    })()
    // The log and the welcome are written on ways of their own, so either may come last.
    const plain = await until('the welcome and the log', () => {
      const text = Bun.stripANSI(screen)
      return text.includes('arrives as "payload".') && /INFO {2}listening url=\S+/.test(text)
        ? text
        : undefined
    })
    const url = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(plain)?.[1]
    expect(plain).toContain(`src/main.ts send backend "hello" --url ${url}`)
    expect(plain).toContain(`src/main.ts connect claude-code --url ${url}`)
    expect(plain).toContain(`${url}/mcp`)
    expect(plain).toMatch(/is kept for 77 s .*; text sent as "message" arrives as "payload"\./)
    expect(plain.trimStart()).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}messages are kept in memory, .*--data-dir/,
    )
    expect(plain).toMatch(/\d\d:\d\d:\d\d\.\d{3} INFO {2}listening url=/)
    expect(screen).toContain('\x1b[1m')
    child.kill('SIGTERM')
    await Promise.all([child.exited, reading])
  })
})

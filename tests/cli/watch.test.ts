import { describe, expect, test } from 'bun:test'
import type { App } from '../../src/app.ts'
import { follow } from '../../src/cli/follow.ts'
import { startBroker, until } from '../harness.ts'
import { begin, type Running, type } from './harness.ts'

function watch(url: string, ...args: string[]): Running {
  return begin(['watch', ...args], { env: { MCP_BROKER_URL: url } })
}

function send(url: string, to: string, text: string) {
  return type(['send', to, text, '--from', 'x'], { env: { MCP_BROKER_URL: url } })
}

/** Ends a watch from the broker's side, in the way that is for good: the address is taken over. */
async function takeOver(app: App, client_id: string, running: Running): Promise<number> {
  await type(['call', 'checkin_client', `client_id=${client_id}`], { env: { MCP_BROKER_URL: app.url } })
  return running.done
}

const lines = (running: Running, count: number) =>
  until(`${count} lines`, () => (running.out.length >= count ? running.out : undefined))
const said = (running: Running, text: string) =>
  until(`"${text}"`, () => running.err.find((line) => line.includes(text)))

describe('watch', () => {
  test('what is there and what comes, a line each, and it is read then', async () => {
    await using app = await startBroker()
    await send(app.url, 'w', 'before')
    const running = watch(app.url, 'w')
    await lines(running, 1)
    await send(app.url, 'w', 'after')
    const out = await lines(running, 2)
    expect(out.map((line) => line.split('\t').slice(2))).toEqual([
      ['x', 'before'],
      ['x', 'after'],
    ])
    await until('both to be read', () => (app.broker.counters.acknowledged === 2 ? true : undefined))
    await takeOver(app, 'w', running)
  })

  test('--ack none leaves everything unread, --json says the cursor to go on from', async () => {
    await using app = await startBroker()
    await send(app.url, 'w', 'one')
    await send(app.url, 'w', 'two')
    const running = watch(app.url, 'w', '--ack', 'none', '--json')
    const [first] = await lines(running, 2)
    const { cursor, message } = JSON.parse(first!)
    expect(message.payload).toBe('one')
    const later = watch(app.url, 'w', '--ack', 'none', '--after', cursor)
    expect((await lines(later, 1))[0]).toEndWith('\ttwo')
    expect((await app.broker.engine.stats()).pending).toBe(2)
    await takeOver(app, 'w', running)
    await later.done
  })

  test('a broker that ends it for good is believed', async () => {
    await using app = await startBroker()
    const running = watch(app.url, 'w')
    await until('the subscription', () => (app.broker.hub.subscription_count === 1 ? true : undefined))
    expect(await takeOver(app, 'w', running)).toBe(1)
    expect(running.err).toEqual([
      'error: A newer session has checked in under this client_id.',
      '  Use another client_id, or check in again to take the address back.',
    ])
  })

  test('a lost connection is taken up where it broke off', async () => {
    await using app = await startBroker()
    await send(app.url, 'w', 'one')
    // A wire that can be cut without the broker's doing.
    using wire = cable(app.url)
    const running = watch(wire.url, 'w')
    await lines(running, 1)
    wire.cut()
    await said(running, 'The connection is lost')
    await send(app.url, 'w', 'two')
    wire.mend()
    await said(running, 'Connected again.')
    expect((await lines(running, 2)).map((line) => line.split('\t')[3])).toEqual(['one', 'two'])
    expect(await takeOver(app, 'w', running)).toBe(1)
  })

  test('lost messages are not passed over: a broker that has forgotten', async () => {
    const first = await startBroker()
    const port = Number(new URL(first.url).port)
    await send(first.url, 'w', 'one')
    const strict = watch(first.url, 'w', '--json')
    const tolerant = watch(first.url, 'w', '--tolerate-loss', '--json')
    const [line] = await lines(strict, 1)
    await lines(tolerant, 1)
    await first.stop()
    await said(strict, 'The connection is lost (The broker is shutting down)')
    await using second = await startBroker({ port })
    expect(await strict.done).toBe(1)
    expect(JSON.parse(strict.err.at(-1)!)).toEqual({
      errors: [
        {
          detail: `Some messages after ${JSON.parse(line!).cursor} are lost: the broker no longer holds them.`,
          next: 'Watch anew, or say --tolerate-loss to go on.',
        },
      ],
    })
    await said(tolerant, 'warning: Some messages after')
    await send(second.url, 'w', 'two')
    expect(JSON.parse((await lines(tolerant, 2))[1]!).message.payload).toBe('two')
    await takeOver(second, 'w', tolerant)
  })

  test('a broker that does not come back is given up', async () => {
    const app = await startBroker()
    const running = watch(app.url, 'w', '--retry', '0.3')
    await until('the subscription', () => (app.broker.hub.subscription_count === 1 ? true : undefined))
    await app.stop()
    expect(await running.done).toBe(1)
    expect(running.err[1]).toContain('is lost, and has not come back within 0.3 s.')
    expect(running.err[2]).toMatch(/^ {2}Go on later with --after \w+:\d+\.$/)
  })

  test.each([
    ['no broker', ['w', '--url', 'http://127.0.0.1:1'], 1, 'No broker answers at http://127.0.0.1:1.'],
    ['a wrong address', ['no good'], 1, 'client_id is "no good"'],
    ['a wrong cursor', ['w', '--after', 'x'], 1, 'cursor'],
    ['a wrong mode', ['w', '--ack', 'manual'], 2, '--ack is "manual".'],
    ['no name', [], 2, 'watch needs more than that.'],
  ])('at once: %s', async (_, args, code, expected) => {
    await using app = await startBroker()
    const running = watch(app.url, ...args)
    expect(await running.done).toBe(code)
    expect(running.err.join('\n')).toContain(expected)
  })

  test('a key is asked for, and the right one opens', async () => {
    const key = '0123456789abcdef-operator'
    await using app = await startBroker({ admin_key: key })
    const shut = watch(app.url, 'w')
    expect(await shut.done).toBe(1)
    const next = '  Give it in the variable MCP_BROKER_API_KEY.'
    expect(shut.err).toEqual(['error: This broker needs a key.', next])
    const wrong = watch(app.url, 'w', '--key', 'wrong')
    expect(await wrong.done).toBe(1)
    expect(wrong.err).toEqual(['error: The broker does not know this key.', next])
    const open = begin(['watch', 'w'], { env: { MCP_BROKER_URL: app.url, MCP_BROKER_API_KEY: key } })
    await until('the subscription', () => (app.broker.hub.subscription_count === 1 ? true : undefined))
    expect(open.err).toEqual([])
    await type(['call', 'checkin_client', 'client_id=w'], {
      env: { MCP_BROKER_URL: app.url, MCP_BROKER_API_KEY: key },
    })
    expect(await open.done).toBe(1)
  })

  test('what answers, but not over WebSocket', async () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => Response.json({}) })
    const running = watch(`http://127.0.0.1:${server.port}`, 'w')
    expect(await running.done).toBe(1)
    expect(running.err[0]).toContain('answers, but not over WebSocket.')
  })
})

test('a broker that falls silent is asked, and then given up', async () => {
  const heard: string[] = []
  let answers = 3
  using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 400 })),
    websocket: {
      message(socket, text) {
        const { id, method } = JSON.parse(String(text))
        heard.push(method)
        if (answers-- > 0) socket.send(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
      },
    },
  })
  const target = { url: `http://127.0.0.1:${server.port}`, key: undefined }
  const nothing = { subscribed: () => {}, delivered: () => {} }
  const ended = await follow(target, { client_id: 'w', ack: 'auto', after: undefined }, nothing, 20)
  expect(heard).toEqual(['subscribe', 'get_my_identity', 'get_my_identity', 'get_my_identity'])
  expect(ended).toMatchObject({ code: 1006, failed: undefined })
})

/** A TCP wire to a broker that can be cut and mended. */
function cable(url: string): { url: string; cut(): void; mend(): void } & Disposable {
  type Wire = { other: Bun.Socket<Wire> | undefined; waiting: Uint8Array[] }
  const { hostname, port } = new URL(url)
  const open = new Set<Bun.Socket<Wire>>()
  const listen = (at: number) =>
    Bun.listen<Wire>({
      hostname: '127.0.0.1',
      port: at,
      socket: {
        async open(socket) {
          open.add(socket)
          socket.data = { other: undefined, waiting: [] }
          socket.data.other = await Bun.connect<Wire>({
            hostname,
            port: Number(port),
            data: { other: socket, waiting: [] },
            socket: {
              data: ({ data }, bytes) => void data.other?.write(bytes),
              close: ({ data }) => void data.other?.end(),
            },
          })
          for (const bytes of socket.data.waiting) socket.data.other.write(bytes)
        },
        data(socket, bytes) {
          if (socket.data.other) socket.data.other.write(bytes)
          else socket.data.waiting.push(bytes)
        },
        close(socket) {
          open.delete(socket)
          socket.data.other?.end()
        },
      },
    })
  let listener = listen(0)
  const at = listener.port
  return {
    url: `http://127.0.0.1:${at}`,
    cut() {
      listener.stop(true)
      for (const socket of open) socket.terminate()
    },
    mend() {
      listener = listen(at)
    },
    [Symbol.dispose]: () => void listener.stop(true),
  }
}

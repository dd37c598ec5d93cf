import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import { environment, run } from '../cli/harness.ts'
import { until } from '../harness.ts'
import { RedisServer } from '../redis/redis-server.ts'
import { agent, ERAS } from '../transports/mcp/client.ts'
import { WsClient } from '../ws-client.ts'

/** What a broker at rest may take, all of its pages counted. */
const RSS_BYTES_MAX = 60 * 1024 * 1024

const dir = mkdtempSync(join(tmpdir(), 'binary-'))
const program = join(dir, 'mcp-broker')

beforeAll(async () => {
  const root = new URL('../..', import.meta.url).pathname
  const build = Bun.spawn([process.execPath, 'run', 'build', '--outfile', program], {
    cwd: root,
    stdout: 'ignore',
    stderr: 'pipe',
  })
  const said = await new Response(build.stderr).text()
  if ((await build.exited) !== 0) throw new Error(said)
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** The compiled program as a broker, in a directory where there is nothing but itself. */
async function serve(args: string[] = [], env: Record<string, string> = {}) {
  const child = Bun.spawn([program, 'serve', '--port', '0', ...args], {
    cwd: dir,
    env: environment(env),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  let log = ''
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) log += text
  })()
  const url = await until('the address', () => /http:\/\/127\.0\.0\.1:\d+/.exec(log)?.[0], 10_000)
  return {
    url,
    pid: child.pid,
    log: () => log,
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      child.kill(signal)
      const code = await child.exited
      await reading
      return code
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

const cli = (url: string, ...args: string[]) => run(args, { env: { MCP_BROKER_URL: url } }, [program])

describe('the compiled program', () => {
  test('every door answers', async () => {
    await using broker = await serve()
    const { url } = broker
    const get = (path: string, accept = '*/*') => fetch(url + path, { headers: { accept } })
    for (const path of ['/health/live', '/health/ready', '/v1/status', '/metrics', '/openapi', '/'])
      expect({ path, status: (await get(path)).status }).toEqual({ path, status: 200 })
    expect(await (await get('/openapi', 'text/html')).text()).toContain('<html')
    expect(await (await get('/metrics')).text()).toContain('mcp_broker_')

    const socket = await WsClient.checkedIn(url, 'frontend')
    await socket.call('subscribe')
    const sent = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: 'script', recipient_id: 'frontend', payload: { n: 1 } }),
    })
    expect(sent.status).toBe(201)
    expect((await socket.received(1))[0]?.message.payload).toEqual({ n: 1 })
    socket.close()

    const events = await fetch(`${url}/v1/mailboxes/frontend/events`)
    expect(events.headers.get('content-type')).toContain('text/event-stream')
    const reader = events.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('recovery')
    await reader.cancel()
  })

  test.each(ERAS)('the MCP door answers a client of %s', async (era) => {
    await using broker = await serve()
    await using alice = await agent(era, broker as unknown as App, 'alice')
    const sent = await alice.call('send_message', { recipient_id: 'bob', message: 'hello' })
    expect(sent.structuredContent).toMatchObject({ status: 'queued', stored: 'memory' })
    expect((await cli(broker.url, 'inbox', 'bob')).out).toEndWith('\talice\thello\n')
  })

  test('every verb works against it', async () => {
    await using broker = await serve()
    const { url } = broker
    expect((await cli(url, 'status')).out).toContain('running')
    const { out: message_id } = await cli(url, 'send', 'backend', 'hi')
    expect((await cli(url, 'call', 'get_message_status', `message_id=${message_id.trim()}`)).out).toContain(
      'queued',
    )
    const watch = Bun.spawn([program, 'watch', 'backend'], {
      env: environment({ MCP_BROKER_URL: url }),
      stdout: 'pipe',
    })
    const { value } = await watch.stdout.getReader().read()
    expect(new TextDecoder().decode(value)).toEndWith('\tcli\thi\n')
    watch.kill()
    expect((await cli(url, 'inbox', '--json')).code).toBe(0)
    expect((await cli(url, 'sessions')).out).toContain('backend\tactive')
    expect((await cli(url, 'connect', 'cursor')).out).toContain(`${url}/mcp`)
    for (const line of [
      ['--help'],
      ['--version'],
      ['docs', 'commands'],
      ['config', 'reference', '--format', 'json-schema'],
    ])
      expect((await cli(url, ...line)).code).toBe(0)
    expect((await cli(url, 'sned')).code).toBe(2)
  })

  test('its hints name it as it was called', async () => {
    const lines = ['./mcp-broker', program, 'PATH="$PWD:$PATH"; mcp-broker']
    for (const line of lines) {
      const { err } = await run(['-c', `${line} xyzzy`], { cwd: dir }, ['sh'])
      expect(err).toContain(`See "${line.split('; ').at(-1)} --help".`)
    }
  })

  test('what is loaded late is in it: YAML, and the readable log', async () => {
    const path = join(dir, 'broker.yaml')
    writeFileSync(path, 'log_format: pretty\nmailbox_overflow: drop_oldest\n')
    await using broker = await serve(['--config', path])
    expect(broker.log()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}listening url=/m)
    const check = await run(['config', 'check', '--config', path], {}, [program])
    expect(check.out).toContain(`mailbox_overflow\tdrop_oldest\t${path}\n`)
  })

  test('does not take settings or code from the directory it is started in', async () => {
    const planted = mkdtempSync(join(tmpdir(), 'planted-'))
    writeFileSync(join(planted, '.env'), 'MCP_BROKER_PORT=9999\n')
    writeFileSync(join(planted, 'bunfig.toml'), 'preload = ["./preload.ts"]\n')
    writeFileSync(join(planted, 'preload.ts'), 'console.log("PRELOADED")\n')
    const check = await run(['config', 'check'], { cwd: planted }, [program])
    rmSync(planted, { recursive: true })
    expect(check.code).toBe(0)
    expect(check.out).toContain('port\t8123\tdefault\n')
    expect(check.out).not.toContain('PRELOADED')
  })

  test('keeps messages on disk over a kill, and in a backup', async () => {
    const data = join(dir, 'data')
    const payloads = async (url: string) => {
      const client = await WsClient.checkedIn(url, 'reader')
      const { messages } = await client.call<{ messages: { payload: string }[] }>('get_messages')
      return messages.map(({ payload }) => payload)
    }
    const first = await serve(['--data-dir', data, '--journal-sync', 'full'])
    expect((await cli(first.url, 'send', 'reader', 'kept', '--from', 'sender')).code).toBe(0)
    await first.stop('SIGKILL')
    const checked = await run(['data', 'check', data], {}, [program])
    expect({ code: checked.code, err: checked.err }).toEqual({ code: 0, err: '' })
    await using second = await serve(['--data-dir', data])
    expect((await cli(second.url, 'backup', join(dir, 'backup.tar'))).code).toBe(0)
    expect(await payloads(second.url)).toEqual(['kept'])
    const restored = join(dir, 'restored')
    expect((await run(['restore', join(dir, 'backup.tar'), restored], {}, [program])).code).toBe(0)
    await using third = await serve(['--data-dir', restored])
    expect(await payloads(third.url)).toEqual(['kept'])
  }, 30_000)

  test('stops in order on SIGTERM', async () => {
    await using broker = await serve()
    expect(await broker.stop()).toBe(0)
    expect(broker.log()).toContain('"msg":"stopped"')
  })

  test.each([
    [[], 0],
    [['--data-dir', 'at-rest'], 6],
    [['--data-dir', 'at-rest-full', '--journal-sync', 'full'], 14],
  ] as const)('at rest it takes little memory: %j', async (flags, more_mib) => {
    await using broker = await serve([...flags])
    expect((await fetch(`${broker.url}/health/ready`)).status).toBe(200)
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${broker.pid}/status`, 'utf8'))?.[1]
    expect(Number(kilobytes) * 1024).toBeLessThan(RSS_BYTES_MAX + more_mib * 1024 * 1024)
  })

  test('two of them on one Redis are one broker', async () => {
    await using redis = await RedisServer.start()
    const env = { MCP_BROKER_REDIS_URL: redis.url }
    await using one = await serve([], env)
    await using other = await serve([], env)
    const reader = await WsClient.checkedIn(one.url, 'reader')
    await reader.call('subscribe', {})
    const sender = await WsClient.checkedIn(other.url, 'sender')
    expect(await sender.call('send_message', { recipient_id: 'reader', message: 'hello' })).toMatchObject({
      stored: 'redis',
      recipient_status: 'active',
    })
    await reader.received(1)
    expect(one.log()).toContain('messages are kept in Redis')
    expect(await one.stop()).toBe(0)
    expect(await other.stop()).toBe(0)
  }, 20_000)
})

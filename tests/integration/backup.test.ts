import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import { run, type } from '../cli/harness.ts'
import { brokerOn, folder, payloads, sendTo } from '../engine/journal/upkeep/brokers.ts'
import { startBroker, until } from '../harness.ts'
import { WsClient } from '../ws-client.ts'

/** Takes a backup by the command line, and makes a directory of it. */
async function backedUp({ url }: App, file: string, directory: string): Promise<void> {
  expect(await type(['backup', file, '--url', url])).toMatchObject({ code: 0, err: '' })
  expect(await type(['restore', file, directory])).toMatchObject({ code: 0 })
}

/** Sends pairs, each in one frame, to two mailboxes, until told to stop. @returns how many were accepted */
async function sendPairs(url: string, name: string, over: AbortSignal): Promise<number> {
  const client = await WsClient.checkedIn(url, name)
  let n = 0
  for (; !over.aborted; n++) {
    const send = (recipient_id: string) => ({
      jsonrpc: '2.0',
      id: `${recipient_id}${n}`,
      method: 'send_message',
      params: { recipient_id, payload: { name, n, filler: 'x'.repeat(300) } },
    })
    const answers = ['left', 'right'].map((to) => client.answer(`${to}${n}`))
    client.send([send('left'), send('right')])
    for (const { error } of await Promise.all(answers)) expect(error).toBeUndefined()
  }
  client.close()
  return n
}

const segments = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()

async function connections({ url }: App): Promise<number> {
  const status = await fetch(`${url}/v1/status`, { headers: { accept: 'application/json' } })
  return ((await status.json()) as { connections: number }).connections
}

/** A client that asks for a backup larger than what the kernel takes, and reads nothing of it yet. */
async function stalled(app: App): Promise<Socket> {
  for (let n = 0; n < 40; n++) await sendTo(app, 'kept', Array<string>(10).fill('z'.repeat(20_000)))
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  socket.pause()
  socket.write('POST /v1/backup HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n')
  await until('the backup to begin', async () => ((await connections(app)) === 1 ? true : undefined))
  return socket
}

const ROOM = { mailbox_messages_max: 100_000, mailbox_bytes_max: 100_000_000, history_messages_max: 10 }

test('a backup in full traffic is the state between two turns', async () => {
  using dir = folder()
  await using app = await brokerOn(dir.in('data'), ROOM)
  const over = new AbortController()
  const reader = await WsClient.checkedIn(app.url, 'reader')
  await reader.call('subscribe', { ack: 'auto' })
  const feeding = (async () => {
    for (let n = 0; !over.signal.aborted; n++) await sendTo(app, 'reader', [{ n, filler: 'y'.repeat(500) }])
  })()
  const names = ['one', 'two', 'three']
  const sending = names.map((name) => sendPairs(app.url, name, over.signal))
  const pairs = async (of: App, mailbox: string) =>
    (await payloads(of, mailbox)).map((payload) => payload as { name: string; n: number })

  for (const round of ['1', '2', '3']) {
    const before = (await pairs(app, 'left')).length
    await until('more pairs', async () =>
      (await pairs(app, 'left')).length > before + 50 ? true : undefined,
    )
    const accepted = await pairs(app, 'left')
    await backedUp(app, dir.in(`${round}.tar`), dir.in(round))
    await using restored = await brokerOn(dir.in(round), ROOM)
    const [left, right] = [await pairs(restored, 'left'), await pairs(restored, 'right')]
    expect(left).toEqual(right)
    // All that had its receipt is there, and nothing is left out in between.
    expect(left.slice(0, accepted.length)).toEqual(accepted)
    for (const name of names) {
      const of = left.filter((pair) => pair.name === name)
      expect(of.map(({ n }) => n)).toEqual(of.map((_, n) => n))
    }
  }
  over.abort()
  await Promise.all([...sending, feeding])
  reader.close()
  expect(app.notes).toEqual([])
}, 60_000)

test('what was done before a backup is in it: attempts, acknowledgements, dead letters, protocols', async () => {
  using dir = folder()
  await using app = await brokerOn(dir.in('data'), { attempts_max: 1 })
  await sendTo(app, 'reader', [1, 2, 3])
  const reader = await WsClient.checkedIn(app.url, 'reader')
  const { cursor } = await reader.call<{ cursor: string }>('subscribe', { ack: 'manual' })
  const [first] = await reader.received(3)
  await reader.call('ack_messages', { message_ids: [first!.message.message_id] })
  await sendTo(app, 'dead', ['x'])
  const dead = await WsClient.checkedIn(app.url, 'dead')
  await dead.call('get_messages', { ack: 'manual' })
  await dead.call('nack_messages')
  const before = await app.broker.engine.stats()
  expect(before).toMatchObject({ pending: 1, leased: 2, history: 1, dead_letters: 1 })
  await backedUp(app, dir.in('b.tar'), dir.in('restored'))
  reader.close()
  dead.close()

  await using restored = await brokerOn(dir.in('restored'))
  expect(restored.notes).toEqual([expect.stringContaining('restored from a backup')])
  const { journal: _, ...after } = await restored.broker.engine.stats()
  const { journal: _j, ...was } = before
  expect(after).toEqual(was)
  // Nobody knows what was read since, so no cursor of before goes on.
  const again = await WsClient.checkedIn(restored.url, 'reader')
  expect(await again.call('subscribe', { after: cursor, ack: 'manual' })).toMatchObject({ recovered: false })
  again.close()
  await restored.stop()
  await using later = await brokerOn(dir.in('restored'))
  expect(later.notes).toEqual([])
})

describe('while a backup is taken', () => {
  test('its segments stay, and go when its client has gone', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'), { ...ROOM, history_messages_max: 0 })
    const socket = await stalled(app)
    const [oldest] = segments(dir.in('data'))
    const read = async () => {
      const answer = await fetch(`${app.url}/v1/mailboxes/kept/messages?limit=100`)
      return ((await answer.json()) as { messages: unknown[] }).messages.length
    }
    while ((await read()) > 0);
    // Nothing of them lives any more, and without the backup the first sync would have one deleted.
    const syncs = async () => (await app.broker.engine.stats()).journal!.syncs.count
    const before = await syncs()
    await until('two syncs', async () => {
      await sendTo(app, 'other', [1])
      return (await syncs()) >= before + 2 ? true : undefined
    })
    expect(segments(dir.in('data'))[0]).toBe(oldest!)
    socket.destroy()
    await until('the segments to go', () => (segments(dir.in('data'))[0] === oldest ? undefined : true))
    expect(await connections(app)).toBe(0)
  }, 30_000)

  test('a broker that is told to stop stops', async () => {
    using dir = folder()
    const app = await brokerOn(dir.in('data'), ROOM)
    const socket = await stalled(app)
    const began_ms = performance.now()
    await app.stop()
    expect(performance.now() - began_ms).toBeLessThan(5000)
    socket.destroy()
    expect(await type(['data', 'check', dir.in('data')])).toMatchObject({ code: 0 })
  }, 30_000)

  test('a file that cannot be read breaks it off, and nothing else', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'), ROOM)
    const socket = await stalled(app)
    truncateSync(join(dir.in('data'), segments(dir.in('data')).at(-5)!), 0)
    let received = ''
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1')
    })
    socket.resume()
    await until('the end', async () => ((await connections(app)) === 0 ? true : undefined))
    await sendTo(app, 'other', [1])
    socket.destroy()
    expect(received).toContain('00000001.log')
    expect(received).not.toContain('manifest.json')
  }, 30_000)

  test('data check refuses the directory, names the process, and leaves it alone', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'))
    await sendTo(app, 'r', [1])
    const names = readdirSync(dir.in('data')).sort()
    for (const verb of ['check', 'repair']) {
      const { code, out, err } = await run(['data', verb, dir.in('data')])
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toContain(`is in use by process ${process.pid}`)
    }
    expect(readdirSync(dir.in('data')).sort()).toEqual(names)
    await sendTo(app, 'r', [2])
    expect(await payloads(app, 'r')).toEqual([1, 2])
  })
})

describe('a backup is refused', () => {
  test('by a broker that keeps everything in memory', async () => {
    await using app = await startBroker()
    const response = await fetch(`${app.url}/v1/backup`, { method: 'POST' })
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 409,
      body: { code: 'no_journal' },
    })
    using dir = folder()
    const { code, err } = await type(['backup', dir.in('b.tar'), '--url', app.url])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('nothing to back up') })
    expect(readdirSync(dir.path)).toEqual([])
  })

  test('without the key, and by another method', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'), { admin_key: 'k'.repeat(32) })
    const status = async (init: RequestInit) => (await fetch(`${app.url}/v1/backup`, init)).status
    expect(await status({ method: 'POST' })).toBe(401)
    expect(await status({ method: 'GET', headers: { 'x-api-key': 'k'.repeat(32) } })).toBe(405)
    const args = ['backup', dir.in('b.tar'), '--url', app.url]
    expect(await type(args)).toMatchObject({ code: 1 })
    expect(await type([...args, '--key', 'k'.repeat(32)])).toMatchObject({ code: 0 })
  })

  test('with no room for one more connection', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'), { connections_max: 1 })
    const client = await WsClient.connect(app.url)
    const response = await fetch(`${app.url}/v1/backup`, { method: 'POST' })
    expect(await response.json()).toMatchObject({ code: 'too_many_connections' })
    client.close()
  })
})

describe('the command line', () => {
  test('says where the file is, keeps it from others, and overwrites it only with --force', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'))
    const file = dir.in('b.tar')
    const args = ['backup', file, '--url', app.url]
    const { out } = await type(args)
    expect(out).toMatch(new RegExp(`^${file}\\t\\d+\\t\\d{4}-\\d\\d-\\d\\dT`))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await type(args)).toMatchObject({ code: 1, err: expect.stringContaining('is there already') })
    expect(await type([...args, '--force', '--json'])).toMatchObject({ code: 0 })
    expect((await type([...args, '--force'], { interactive: true })).out).toContain('Back with: ')
    expect(readdirSync(dir.path).sort()).toEqual(['b.tar', 'data'])
    const nowhere = ['backup', dir.in('no/b.tar'), '--url', app.url]
    expect(await type(nowhere)).toMatchObject({ code: 1, err: expect.stringContaining('cannot be written') })
    expect(await type(['backup', '-', '--url', app.url], { interactive: true })).toMatchObject({ code: 2 })
  })

  test('writes to standard output, and reads from standard input', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'))
    await sendTo(app, 'r', ['€', 'x'.repeat(100_000)])
    const line = `"$0" "$1" backup - --url ${app.url} | "$0" "$1" restore - ${dir.in('restored')}`
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    const shell = Bun.spawn(['sh', '-c', line, process.execPath, main], { stdout: 'pipe', stderr: 'pipe' })
    expect(await shell.exited).toBe(0)
    await using restored = await brokerOn(dir.in('restored'))
    expect(await payloads(restored, 'r')).toEqual(['€', 'x'.repeat(100_000)])
  })

  test('leaves no file of a backup that breaks off', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'))
    await sendTo(app, 'r', Array<string>(50).fill('x'.repeat(20_000)))
    // A broker that loses a file in the midst of it.
    const whole = await fetch(`${app.url}/v1/backup`, { method: 'POST' }).then((answer) => answer.bytes())
    const cut = Bun.serve({ port: 0, fetch: () => new Response(whole.slice(0, whole.length / 2)) })
    const args = ['backup', dir.in('b.tar'), '--url', `http://127.0.0.1:${cut.port}`]
    const { code, err } = await type(args)
    await cut.stop(true)
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('it is broken off') })
    expect(existsSync(dir.in('b.tar')) || existsSync(dir.in('b.tar.part'))).toBe(false)
  })
})

describe('restore refuses', () => {
  test('a directory with something in it, and a file that is none', async () => {
    using dir = folder()
    await using app = await brokerOn(dir.in('data'))
    await type(['backup', dir.in('b.tar'), '--url', app.url])
    writeFileSync(dir.in('note'), 'mine')
    const refused = async (file: string, directory: string) => (await type(['restore', file, directory])).err
    expect(await refused(dir.in('b.tar'), dir.in('data'))).toContain('has data already')
    expect(await refused(dir.in('b.tar'), dir.path)).toContain('is no data directory')
    expect(await refused(dir.in('b.tar'), dir.in('note'))).toContain('is not a directory')
    expect(await refused(dir.in('b.tar'), dir.in('no/restored'))).toContain('is not a directory')
    expect(await refused(dir.in('no.tar'), dir.in('restored'))).toContain('cannot be read')
    expect(await refused(dir.in('note'), dir.in('restored'))).toContain('it is broken off')
    expect(readFileSync(dir.in('note'), 'utf8')).toBe('mine')
    expect(readdirSync(dir.path).sort()).toEqual(['b.tar', 'data', 'note'])
  })
})

import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findChromium } from '../chromium.ts'
import { startBroker } from '../harness.ts'
import { WsClient } from '../ws-client.ts'

test('a real browser reads by WebSocket and EventSource, and resumes by cursor after a cut', async () => {
  const chromium = process.env.CHROMIUM ?? findChromium()
  if (!chromium) throw new Error('There is no Chromium to test with. On Debian: apt-get install chromium')
  await using broker = await startBroker()
  using site = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response(Bun.file(new URL('page.html', import.meta.url))),
  })
  const profile = mkdtempSync(join(tmpdir(), 'mcp-broker-browser-'))
  const browser = Bun.spawn(
    [
      chromium,
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--user-data-dir=${profile}`,
      '--remote-debugging-port=0',
      `${site.url.href}?broker=${encodeURIComponent(broker.url)}`,
    ],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  try {
    const tester = await WsClient.checkedIn(broker.url, 'test')
    await tester.call('subscribe')
    expect((await tester.received(1, 30_000))[0]!.message.payload).toBe('ready')
    for (let n = 0; n < 20; n++)
      for (const recipient_id of ['page-socket', 'page-events'])
        await tester.call('send_message', { recipient_id, payload: n })
    const { payload } = (await tester.received(2, 15_000))[1]!.message
    const seen = payload as { socket: number[]; events: number[]; cursors: string[] }
    const all = Array.from({ length: 20 }, (_, n) => n)
    expect(seen.socket).toEqual(all)
    expect(seen.events).toEqual(all)
    expect(seen.cursors.map((cursor) => Number(cursor.split(':')[1]))).toEqual(all.map((n) => n + 1))
  } finally {
    browser.kill()
    await browser.exited
    rmSync(profile, { recursive: true, force: true })
  }
}, 60_000)

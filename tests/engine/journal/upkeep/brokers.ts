import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type App, startApp } from '../../../../src/app.ts'
import type { Config } from '../../../../src/config/schema.ts'
import { JournalEngine } from '../../../../src/engine/journal/journal.ts'
import { openVolume } from '../../../../src/engine/journal/volume.ts'
import type { Kept } from '../../../../src/engine/values.ts'
import { testConfig } from '../../../harness.ts'

/** A directory of the test's own, which goes with it. */
export function folder(): Disposable & { readonly path: string; in(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'mcp-broker-upkeep-'))
  return {
    path,
    in: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Small, so that there are many segments, which are written anew and deleted. */
const SEGMENT_BYTES = 64 * 1024

/** A broker of this process on a data directory, with small segments. `notes`: what the operator is told. */
export async function brokerOn(
  directory: string,
  settings: Partial<Config> = {},
): Promise<App & AsyncDisposable & { readonly notes: string[] }> {
  const notes: string[] = []
  const note = (sentence: unknown) => void notes.push(String(sentence))
  const app = await startApp(
    testConfig({ ttl_seconds: 3600, ...settings }),
    pino({ level: 'silent' }),
    (options) =>
      new JournalEngine({
        ...options,
        level: 'normal',
        open: () => openVolume(directory, 'mcp-broker 1.2.3'),
        note,
        fatal: note,
        report: note,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        slack_bytes: 2 * SEGMENT_BYTES,
      }),
  )
  return { ...app, notes, [Symbol.asyncDispose]: () => app.stop() }
}

/** All that a mailbox retains, oldest first. */
export async function retained({ broker }: App, client_id: string): Promise<readonly Kept[]> {
  const history = await broker.engine.history({ project: 'default', client_id }, {}, 1e6, 1e9)
  return history.deliveries
}

/** The payloads of all that a mailbox retains. */
export async function payloads(app: App, client_id: string): Promise<unknown[]> {
  return (await retained(app, client_id)).map(({ message }) => JSON.parse(message.json).payload)
}

/** Sends messages over HTTP, one after the other. */
export async function sendTo(
  { url }: App,
  recipient_id: string,
  contents: readonly unknown[],
): Promise<void> {
  for (const payload of contents) {
    const response = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: 'sender', recipient_id, payload }),
    })
    if (!response.ok) throw new Error(await response.text())
    await response.text()
  }
}

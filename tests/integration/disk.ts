import { expect } from 'bun:test'
import type { App } from '../../src/app.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { startBroker, until } from '../harness.ts'
import type { WsClient } from '../ws-client.ts'

/** Stands for what an engine writes to: its commits go through at once, wait, or fail. */
export class Disk {
  #mode: 'open' | 'held' | 'broken' = 'open'
  /** The commits that wait; the engine runs one at a time. */
  readonly waiting: PromiseWithResolvers<void>[] = []

  readonly commit = (): void | Promise<void> => {
    if (this.#mode === 'open') return
    if (this.#mode === 'broken') throw new Error('no space left')
    const waiting = Promise.withResolvers<void>()
    this.waiting.push(waiting)
    return waiting.promise
  }

  /** Has commits wait from now on. */
  hold(): void {
    this.#mode = 'held'
  }

  /** Waits for a commit that waits, and ends it. */
  async next(how: 'stored' | 'failed'): Promise<void> {
    const waiting = await until('a commit', () => this.waiting.shift())
    if (how === 'stored') waiting.resolve()
    else waiting.reject(new Error('no space left'))
  }

  /** Lets all commits through from now on. */
  release(): void {
    this.#mode = 'open'
    for (const { resolve } of this.waiting.splice(0)) resolve()
  }

  /** Fails all commits from now on. */
  break(): void {
    this.#mode = 'broken'
    for (const { reject } of this.waiting.splice(0)) reject(new Error('no space left'))
  }
}

type Settings = Parameters<typeof startBroker>[0]

/** A broker on a disk. It is stopped with the disk released. */
export async function onDisk(
  disk: Disk,
  settings: Settings = {},
  around?: (engine: Engine) => Engine,
): Promise<App & AsyncDisposable> {
  const app = await startBroker(settings, around, { commit: disk.commit })
  return {
    ...app,
    [Symbol.asyncDispose]: () => {
      disk.release()
      return app.stop()
    },
  }
}

/** Lets the broker's event loop turn many times: requests go through that wait for nothing. */
export async function turns(app: App): Promise<void> {
  for (let n = 0; n < 5; n++) expect((await fetch(`${app.url}/health/live`)).status).toBe(200)
}

/** Everything the broker has sent to this client before is here, when this resolves. */
export async function pong({ socket }: WsClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const heard = () => resolve()
  const pinging = socket as unknown as { ping(): void } & EventTarget
  pinging.addEventListener('pong', heard, { once: true })
  pinging.ping()
  await promise
}

/** Fails if anything comes to these clients while the event loop turns. */
export async function silent(app: App, clients: readonly WsClient[], does: () => Promise<void> | void) {
  const before = clients.map(({ frames }) => frames.length)
  await does()
  await turns(app)
  for (const client of clients) await pong(client)
  expect(clients.map(({ frames }, i) => frames.slice(before[i]))).toEqual(clients.map(() => []))
}

/** Whether a promise is settled; it is looked at and not waited for. */
export function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; settled: boolean } {
  const watch = { promise, settled: false }
  const settle = () => {
    watch.settled = true
  }
  promise.then(settle, settle)
  return watch
}

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../programs.ts'

/** The path of a Redis server, installed if there is none and this may be done. @throws Error without one */
export function redisProgram(): string {
  const found = findProgram(['redis-server'], 'redis-server', 'the tests of Redis')
  if (!found) throw new Error('There is no redis-server. On Debian: apt-get install redis-server')
  return found
}

/** How a server is started that keeps nothing on disk. @param flags as on its command line, the last of which hold */
export function redisCommand(port: number, directory: string, flags: readonly string[] = []): string[] {
  return [
    redisProgram(),
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
    ...['--save', '', '--appendonly', 'no', '--daemonize', 'no', ...flags],
  ]
}

/** A port of the loopback interface that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface RedisServerOptions {
  readonly port?: number
  /** Of its files; a new one, removed with the server, if left out. */
  readonly directory?: string
  /** Flags as on its command line. */
  readonly flags?: readonly string[]
}

/** A Redis server of a test's own, on the loopback interface. It keeps nothing on disk unless told to. */
export class RedisServer implements AsyncDisposable {
  readonly #own_directory: boolean

  private constructor(
    readonly port: number,
    readonly directory: string,
    readonly process: Bun.Subprocess<'ignore', 'pipe', 'inherit'>,
    own_directory: boolean,
  ) {
    this.#own_directory = own_directory
  }

  static async start({ port, directory, flags = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    const own = directory ?? mkdtempSync(join(tmpdir(), 'redis-'))
    const at = port ?? (await freePort())
    const child = Bun.spawn(redisCommand(at, own, flags), {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
    })
    const server = new RedisServer(at, own, child, directory === undefined)
    await server.#ready()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async #ready(): Promise<void> {
    let said = ''
    const decoder = new TextDecoder()
    const reader = this.process.stdout.getReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`redis-server has ended: ${said}`)
      said += decoder.decode(value, { stream: true })
      if (/Ready to accept connections/.test(said)) break
    }
    // What it says later is read, and dropped: a full pipe would stop it.
    void (async () => {
      while (!(await reader.read()).done);
    })()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL')
    await this.process.exited
    if (this.#own_directory) rmSync(this.directory, { recursive: true, force: true })
  }
}

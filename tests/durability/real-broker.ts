import { until } from '../harness.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** Bounds far above what the traffic needs, so that nothing is refused or forgotten, and short leases. */
const SETTINGS = {
  '--ttl-seconds': '3600',
  '--lease-seconds': '2',
  '--attempts-max': '1000',
  '--mailbox-messages-max': '1000000',
  '--mailbox-bytes-max': '1000000000',
  '--history-messages-max': '1000000',
  '--stored-bytes-max': '1000000000',
  '--idempotency-seconds': '36000',
  '--idempotency-keys-max': '1000000',
  '--dead-letters-max': '1000000',
  '--drain-seconds': '0.1',
}

/** A broker that takes this long to say that it listens has not started. */
const START_MS_MAX = 30_000

/** What the traffic talks to, and what ends it. */
export interface BrokerUnderTest {
  /** Where it listens; another place after each start. */
  readonly url: string
  /** It is being ended, or has been: a call that fails from here on has met that, and no fault. */
  readonly ending: boolean
  /** Resolves when this run of it has ended. */
  readonly ended: Promise<unknown>
  /** Whether a failure is one that clients have to expect, and come again after. */
  excuses?(error: unknown): boolean
  /** Told how long each answer took, whatever it was, in milliseconds. */
  answered?(command: string, ms: number): void
  start(): Promise<void>
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>
}

/** A broker in a process of its own, which is ended and started again on one data directory. */
export class RealBroker implements BrokerUnderTest, AsyncDisposable {
  url = ''
  ending = true
  ended: Promise<unknown> = Promise.resolve()
  #child: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined
  #log: string[] = []
  #errors = Promise.resolve('')

  /**
   * @param data_dir where it stores; undefined: in memory
   * @param settings flags with other values than here
   */
  constructor(
    readonly data_dir: string | undefined,
    private readonly flags: readonly string[] = [],
    private readonly settings: Readonly<Record<string, string>> = {},
  ) {}

  /** Starts it, and waits until it is ready for messages. @param anyway it need not be ready */
  async start(anyway = false): Promise<void> {
    this.#spawn()
    this.url = await until('the broker to listen', () => this.#listening(), START_MS_MAX)
    const ready = await fetch(`${this.url}/health/ready`)
    if (!ready.ok && !anyway) throw new Error(`not ready after the start: ${await ready.text()}`)
    this.ending = false
  }

  /** Starts it, and kills it in the midst of that. @param ms how long it has */
  async startAndKill(ms: number): Promise<void> {
    const child = this.#spawn()
    await Promise.race([child.exited, Bun.sleep(ms)])
    if (child.exitCode !== null) throw new Error(`the start failed: ${await this.#said()}`)
    await this.kill()
  }

  async kill(): Promise<void> {
    this.ending = true
    this.#child?.kill('SIGKILL')
    await this.#child?.exited
  }

  /** Stops it in order. @throws Error if it does not end with 0 */
  async stop(): Promise<void> {
    this.ending = true
    this.#child?.kill('SIGTERM')
    const code = await this.#child?.exited
    if (code !== 0) throw new Error(`stopped with ${code}: ${await this.#said()}`)
  }

  /** Sends it a signal. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name)
  }

  /** The lines of its log that tell of a fault, of all its processes. */
  faults(): string[] {
    return this.#log.filter((line) => /^\{"level":"(error|fatal)"/.test(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #spawn(): Bun.Subprocess<'ignore', 'pipe', 'pipe'> {
    const settings = Object.entries({ ...SETTINGS, ...this.settings }).flat()
    const where = this.data_dir === undefined ? [] : ['--data-dir', this.data_dir]
    const child = Bun.spawn(
      [process.execPath, MAIN, 'serve', '--port', '0', ...settings, ...where, ...this.flags],
      {
        env: Object.fromEntries(
          Object.entries(process.env).filter(([name]) => !name.startsWith('MCP_BROKER_')),
        ),
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      },
    )
    this.#child = child
    this.ended = child.exited
    this.#log.push('{"level":"info","msg":"spawned"}')
    this.#errors = new Response(child.stderr).text()
    void this.#read(child.stdout)
    return child
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of output) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      this.#log.push(...lines)
    }
  }

  /** @throws Error if it has ended by itself */
  async #listening(): Promise<string | undefined> {
    const since = this.#log.slice(this.#log.lastIndexOf('{"level":"info","msg":"spawned"}'))
    const line = since.find((line) => line.includes('"msg":"listening"'))
    if (line !== undefined) return (JSON.parse(line) as { url: string }).url
    if (this.#child!.exitCode !== null) throw new Error(`the start failed: ${await this.#said()}`)
    return undefined
  }

  async #said(): Promise<string> {
    return [...this.#log.slice(-20), await this.#errors].join('\n')
  }
}

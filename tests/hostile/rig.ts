import { start } from '../cli/harness.ts'
import { until } from '../harness.ts'
import { WsClient } from '../ws-client.ts'
import type { Seen } from './watcher.ts'

/** What an answer of the HTTP door holds that these tests look at. */
export interface Answered {
  readonly status: number
  /** The catalogue code of a refusal; undefined for a success. */
  readonly code: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: any command's answer; each test knows which it asked for.
  readonly body: any
  readonly ms: number
}

const SETTLE_MS = 200
/** On a busy machine it may take a thread more than a second to end, which is told and does no harm. */
const LATE_END = 'a validation worker did not end'

/** A broker in a process of its own, and a thread that watches it. `await using` stops both. */
export class Target implements AsyncDisposable {
  /** Resident memory before anything was asked of it, in bytes. */
  rss_bytes = 0
  /** What it logged as its own fault, and what it wrote besides. */
  readonly faults: string[] = []

  private constructor(
    readonly url: string,
    readonly pid: number,
    private readonly child: Bun.Subprocess,
    private readonly watcher: Worker,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Target> {
    const child = start(['serve', '--port', '0', '--log-format', 'json'], { env })
    const lines: Record<string, unknown>[] = []
    let note = (_: string): void => {}
    void readLines(child.stdout, (line) => {
      const said = JSON.parse(line)
      lines.push(said)
      if (said.level === 'error' && !line.includes(LATE_END)) note(line)
    })
    const url = await until('the broker', () => lines.find(({ msg }) => msg === 'listening')?.url, 20_000)
    const watcher = new Worker(new URL('./watcher.ts', import.meta.url).href)
    const target = new Target(String(url), child.pid, child, watcher)
    void readLines(child.stderr, (line) => void target.faults.push(line))
    note = (line) => void target.faults.push(line)
    watcher.postMessage({ port: Number(new URL(target.url).port), pid: child.pid })
    // The code of checks is loaded by the first one, and is not what an attack costs.
    const first = {
      sender_id: 'first',
      recipient_id: 'first',
      protocol_name: 'chat',
      payload: { text: 'Hello' },
    }
    await target.post('/v1/messages', JSON.stringify(first))
    target.rss_bytes = (await target.settle()).rss_bytes
    return target
  }

  /** What was seen since the last look. */
  look(): Promise<Seen> {
    return new Promise((resolve) => {
      this.watcher.onmessage = ({ data }: MessageEvent<Seen>) => resolve(data)
      this.watcher.postMessage('look')
    })
  }

  /** Waits until the watcher has pinged a few times more. */
  async settle(): Promise<Seen> {
    await this.look()
    await Bun.sleep(SETTLE_MS)
    return until('pings', async () => {
      const seen = await this.look()
      return seen.pings > 0 ? seen : undefined
    })
  }

  /** What is seen while `work` runs. */
  async during<T>(work: () => Promise<T>): Promise<{ readonly seen: Seen; readonly result: T }> {
    await this.look()
    const result = await work()
    // The answer may come before the turn that it was made in is over.
    await Bun.sleep(10)
    return { seen: await this.look(), result }
  }

  /** @param body JSON text, or what becomes it */
  async post(path: string, body: unknown): Promise<Answered> {
    const began_ms = performance.now()
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return answered(response, began_ms)
  }

  async get(path: string): Promise<Answered> {
    const began_ms = performance.now()
    return answered(await fetch(`${this.url}${path}`), began_ms)
  }

  client(client_id: string): Promise<WsClient> {
    return WsClient.checkedIn(this.url, client_id)
  }

  /** Whether the process is there and has no stopped thread. */
  get runs(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watcher.terminate()
    this.child.kill('SIGKILL')
    await this.child.exited
  }
}

async function answered(response: Response, began_ms: number): Promise<Answered> {
  const text = await response.text()
  const body = text === '' ? undefined : JSON.parse(text)
  const { status } = response
  return { status, code: response.ok ? undefined : body?.code, body, ms: performance.now() - began_ms }
}

async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line !== '') take(line)
  }
}

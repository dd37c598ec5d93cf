import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Linux counts CPU time in these; `getconf CLK_TCK` is 100 on every machine in use. */
const TICKS_PER_SECOND = 100

/** A broker in a process of its own, measured from outside. */
export class MeasuredBroker implements AsyncDisposable {
  private constructor(
    readonly url: string,
    private readonly process: Bun.Subprocess,
  ) {}

  /**
   * Starts a broker on a free port and waits until it answers.
   *
   * @param settings as environment variables
   */
  static async start(settings: Record<string, string> = {}): Promise<MeasuredBroker> {
    const port = await freePort()
    const main = new URL('../src/main.ts', import.meta.url).pathname
    const child = Bun.spawn(['bun', main, 'serve', '--port', String(port)], {
      env: { ...process.env, MCP_BROKER_LOG_LEVEL: 'error', ...settings },
      stdout: 'ignore',
      stderr: 'inherit',
    })
    const url = `http://127.0.0.1:${port}`
    const deadline = performance.now() + 10_000
    while (!(await isAlive(url))) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error('the broker did not start')
      await Bun.sleep(20)
    }
    return new MeasuredBroker(url, child)
  }

  /** User and system CPU time so far, in microseconds. */
  cpuMicroseconds(): number {
    const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
  }

  /** Resident memory now, in bytes. */
  memoryBytes(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.process.pid}/status`, 'utf8'))![1]) * 1024
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGTERM')
    await this.process.exited
  }
}

async function isAlive(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/live`)).ok
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

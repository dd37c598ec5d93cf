import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'

/** Linux counts CPU time in these; `getconf CLK_TCK` is 100 on every machine in use. */
const TICKS_PER_SECOND = 100
const START_MS_MAX = 10_000
const STOP_MS_MAX = 10_000

/** Running now: none outlives the driver. */
const running = new Set<Bun.Subprocess>()
process.on('exit', killServers)

/** Ends all that run, at once: what waits for them hears that they are gone. */
export function killServers(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A program and its arguments, given the port. */
type Command = (port: number) => readonly string[]

/** A server in a process of its own, measured from outside. */
export class Server implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly process: Bun.Subprocess,
    private readonly words: readonly string[],
    private readonly folder: string | undefined,
  ) {}

  /**
   * Starts a program on a free port of the loopback address and waits until it takes connections.
   *
   * @param command the program and its arguments, given the port
   * @param folder of its own files, removed when it is stopped
   * @throws Error when it ends or does not listen in time
   */
  static async start(command: Command, env: Record<string, string> = {}, folder?: string): Promise<Server> {
    const server = await Server.spawn(command, env, folder)
    if (await server.#listens()) return server
    await server[Symbol.asyncDispose]()
    throw new Error(`${server.words.join(' ')} did not start`)
  }

  /** As {@link Server.start}, but waits for nothing: for whoever measures how long a start takes. */
  static async spawn(command: Command, env: Record<string, string> = {}, folder?: string): Promise<Server> {
    const port = await freePort()
    const words = command(port)
    const child = Bun.spawn([...words], {
      env: { ...cleanEnvironment(), ...env },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'inherit',
    })
    running.add(child)
    return new Server(port, child, words, folder)
  }

  async #listens(): Promise<boolean> {
    const deadline = performance.now() + START_MS_MAX
    while (this.#ended === undefined && performance.now() < deadline) {
      // Another program may have taken the port in between.
      if (await takesConnections(this.port)) return this.#ended === undefined
      await Bun.sleep(20)
    }
    return false
  }

  /** Waits until the doors of a broker are open: it takes connections before it has loaded what it stores. */
  async ready(): Promise<this> {
    const deadline = performance.now() + START_MS_MAX
    while (this.#ended === undefined && performance.now() < deadline) {
      if ((await fetch(`${this.url}/health/ready`)).ok) return this
      await Bun.sleep(20)
    }
    throw new Error(`${this.words.join(' ')} takes connections, but is not ready`)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** User and system CPU time so far, in microseconds, of the process and its children. */
  cpuMicroseconds(): number {
    return this.#pids().reduce((sum, pid) => sum + cpuMicroseconds(pid), 0)
  }

  /** Resident memory now, in bytes, of the process and its children. */
  memoryBytes(): number {
    return this.#pids().reduce((sum, pid) => sum + memoryBytes(pid, 'VmRSS'), 0)
  }

  /**
   * The most resident memory that it has had, in bytes; of several processes the sum of what each has had.
   */
  peakMemoryBytes(): number {
    return this.#pids().reduce((sum, pid) => sum + memoryBytes(pid, 'VmHWM'), 0)
  }

  /**
   * Resident memory once it has stopped falling, in bytes: what a runtime with a garbage collector holds after a load is
   * known only when it has had the time to look.
   *
   * @param ms_max waits no longer
   */
  async settledMemoryBytes(ms_max = 20_000): Promise<number> {
    const deadline = performance.now() + ms_max
    let mark = this.memoryBytes()
    let marked_ms = performance.now()
    while (performance.now() < deadline && performance.now() - marked_ms < QUIET_MS) {
      await Bun.sleep(250)
      const now = this.memoryBytes()
      if (now >= mark - NOISE_BYTES) continue
      mark = now
      marked_ms = performance.now()
    }
    return this.memoryBytes()
  }

  /** How it ended; undefined while it runs. */
  get #ended(): number | string | undefined {
    return this.process.exitCode ?? this.process.signalCode ?? undefined
  }

  /** @throws Error when the server has ended of its own accord */
  #pids(): number[] {
    if (this.#ended !== undefined)
      throw new Error(`the server ended during the measurement, with ${this.#ended}`)
    const { pid } = this.process
    return [pid, ...children(pid)]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGTERM')
    const cut = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS_MAX)
    await this.process.exited
    clearTimeout(cut)
    running.delete(this.process)
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Memory that has not fallen by more than this for so long has settled. */
const NOISE_BYTES = 256 * 1024
const QUIET_MS = 5000

/** What this process was given, without settings of a broker: those under load are the defaults. */
function cleanEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MCP_BROKER_')))
}

/** CPU time of one process so far, in microseconds. Source: proc(5). */
function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
}

/** @param which the line of it: what is resident, or the most that has been */
function memoryBytes(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = new RegExp(`^${which}:\\s+(\\d+)`, 'm').exec(status)?.[1]
  if (kilobytes === undefined) throw new Error('the server ended during the measurement')
  return Number(kilobytes) * 1024
}

function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

async function takesConnections(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } })
    socket.end()
    return true
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

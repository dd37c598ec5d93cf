import { readFileSync } from 'node:fs'

declare const self: Worker

/** What the watcher is told to watch. */
export interface Watch {
  readonly port: number
  /** Of the broker. Its main thread has the same number. */
  readonly pid: number
}

/** What was seen since the last look. */
export interface Seen {
  /** The longest time from a ping to its answer, in milliseconds, and what was due to a busy machine. */
  readonly gap_ms: number
  /** The longest that the broker's event loop can have been held up: a gap without what the machine did. */
  readonly held_ms: number
  /** Most resident memory of the broker, in bytes. */
  readonly rss_bytes: number
  readonly pings: number
}

const PING_EVERY_MS = 3
const MEMORY_EVERY = 8
const PAGE_BYTES = 4096
const PING = 'GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

let seen = nothing()

/** A thread that pings a broker, so that a test that is busy itself does not disturb it. */
self.onmessage = ({ data }: MessageEvent<Watch | 'look'>) => {
  if (data === 'look') {
    self.postMessage(seen)
    seen = nothing()
  } else void watch(data)
}

function nothing() {
  return { gap_ms: 0, held_ms: 0, rss_bytes: 0, pings: 0 }
}

async function watch({ port, pid }: Watch): Promise<void> {
  let answered = () => {}
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: { data: () => answered(), close: () => answered() },
  })
  for (let ping = 0; ; ping++) {
    const before_ms = performance.now()
    const before_delay_ms = delayMs(pid)
    const answer = new Promise<void>((resolve) => {
      answered = resolve
    })
    if (socket.write(PING) <= 0) return
    await answer
    const gap_ms = performance.now() - before_ms
    seen.pings++
    seen.gap_ms = Math.max(seen.gap_ms, gap_ms)
    seen.held_ms = Math.max(seen.held_ms, gap_ms - (delayMs(pid) - before_delay_ms))
    if (seen.pings === 1 || ping % MEMORY_EVERY === 0)
      seen.rss_bytes = Math.max(seen.rss_bytes, rssBytes(pid))
    await Bun.sleep(PING_EVERY_MS)
  }
}

/** How long the broker's main thread and this one were ready to run and had no processor, in milliseconds. */
function delayMs(pid: number): number {
  return delayIn(`/proc/${pid}/schedstat`) + delayIn('/proc/thread-self/schedstat')
}

/**
 * Source: the kernel's sched-stats.rst: time on the processor, time waiting for one, both in ns, and runs.
 */
function delayIn(path: string): number {
  return read(path, ' ')[1]! / 1e6
}

function rssBytes(pid: number): number {
  return read(`/proc/${pid}/statm`, ' ')[1]! * PAGE_BYTES
}

/** The numbers of a file of /proc; zeros when the process is gone. */
function read(path: string, between: string): number[] {
  try {
    return readFileSync(path, 'utf8').split(between).map(Number)
  } catch {
    return [0, 0]
  }
}

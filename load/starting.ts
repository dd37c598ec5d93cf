import type { Server } from './server.ts'
import { type Latency, latencyOf } from './stats.ts'

/** How often a server that starts is asked whether it lives, and whether it is ready. */
const LIVE_EVERY_MS = 50
const READY_EVERY_MS = 20
const ANSWER_MS_MAX = 5000

/** How a server started. */
export interface Started {
  /** From the start of the process until it said that it was ready. */
  readonly ready_ms: number
  /** Until it said for the first time that it lives. */
  readonly first_live_ms: number
  /** How long it then took to answer, each time that it was asked until it was ready. */
  readonly live: Latency
  /** How often it then did not say so: refused, or not in 5 s. */
  readonly silent: number
}

/**
 * Asks a server that was just spawned whether it lives, every 50 ms whatever becomes of the answers, until it
 * is ready.
 *
 * @throws Error when it ends of its own accord, or is not ready in time
 */
export async function watchStart(server: Server, ms_max: number): Promise<Started> {
  const began_ms = performance.now()
  let first_live_ms = Number.NaN
  let silent = 0
  const answers_ms: number[] = []
  const asked: Promise<void>[] = []
  const askLive = async () => {
    const asked_ms = performance.now()
    const lives = await answersWell(`${server.url}/health/live`)
    if (lives && Number.isNaN(first_live_ms)) first_live_ms = performance.now() - began_ms
    if (lives) answers_ms.push(performance.now() - asked_ms)
    // Before the first answer it may not have its port yet.
    else if (asked_ms - began_ms > first_live_ms) silent++
  }
  const timer = setInterval(() => asked.push(askLive()), LIVE_EVERY_MS)
  try {
    while (!(await answersWell(`${server.url}/health/ready`))) {
      // Throws when it has ended.
      server.memoryBytes()
      if (performance.now() - began_ms > ms_max) throw new Error(`it was not ready after ${ms_max / 1000} s`)
      await Bun.sleep(READY_EVERY_MS)
    }
    const ready_ms = performance.now() - began_ms
    // One that is ready within the first 50 ms has not been asked yet.
    asked.push(askLive())
    clearInterval(timer)
    await Promise.all(asked)
    return { ready_ms, first_live_ms, live: latencyOf(Float64Array.from(answers_ms)), silent }
  } finally {
    clearInterval(timer)
  }
}

async function answersWell(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    await answer.text()
    return answer.ok
  } catch {
    return false
  }
}

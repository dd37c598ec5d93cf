import { expect } from 'bun:test'
import type { WsClient } from '../ws-client.ts'
import type { Target } from './rig.ts'
import type { Seen } from './watcher.ts'

/** The bounds: of a turn of the event loop, of an answer, and of memory. */
export const HELD_MS_MAX = 50
export const ANSWER_MS_MAX = 5000
export const GROWTH_BYTES_MAX = 150 * 1024 * 1024
/** How often an attack that held the broker up is tried again: the machine may have been at fault. */
const TRIES = 3

/**
 * Attacks a broker and expects that its event loop goes on meanwhile, and that its memory stays in bounds.
 *
 * @param attack carries out one attack; it may be called again with the next number, counted from 1
 * @returns what it answered
 */
export async function withstands<T>(target: Target, attack: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const { seen, result } = await target.during(() => attack(tries))
    tell(target, seen)
    if (seen.held_ms > HELD_MS_MAX && tries < TRIES) continue
    expect(seen.held_ms).toBeLessThan(HELD_MS_MAX)
    expect(seen.rss_bytes - target.rss_bytes).toBeLessThan(GROWTH_BYTES_MAX)
    expect(target.runs).toBeTrue()
    expect(target.faults).toEqual([])
    return result
  }
}

/** With `MCP_BROKER_TEST_TELL` set, each attack says what was seen. */
function tell(target: Target, { held_ms, gap_ms, rss_bytes }: Seen): void {
  if (process.env.MCP_BROKER_TEST_TELL === undefined) return
  const megabytes = (rss_bytes - target.rss_bytes) / 1e6
  console.log(`held ${held_ms.toFixed(1)} ms of ${gap_ms.toFixed(1)} ms, ${megabytes.toFixed(0)} MB more`)
}

let calls = 0

/** Calls a method many times in one frame. @returns how often each code was answered; `ok` for a success */
export async function callInBatch(
  client: WsClient,
  method: string,
  params: readonly object[],
): Promise<Record<string, number>> {
  const frame = params.map((params) => ({ jsonrpc: '2.0', id: `batch ${calls++}`, method, params }))
  const answers = frame.map(({ id }) => client.answer(id))
  client.send(frame)
  const codes: Record<string, number> = {}
  for (const { error } of await Promise.all(answers)) {
    const code = error?.data.code ?? 'ok'
    codes[code] = (codes[code] ?? 0) + 1
  }
  return codes
}

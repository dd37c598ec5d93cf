import { parseArgs } from 'node:util'
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts'
import { createMessage } from '../../src/core/message.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { NOBODY } from '../../tests/engine/journal/nobody.ts'
import { ENGINES } from './engines.ts'

/**
 * `bun load/micro/held.ts [--engine NAME] [--seconds N]`: how long an engine holds the event loop in each
 * turn, in full traffic to many mailboxes, of which each holds one message for 30 days: a log is rotated and
 * written anew all the time. In a turn, so many messages are stored and flushed, then read and flushed.
 */
const MAILBOXES = 1000
const IN_TURN = 256
const SWEEP_MS = 200
const PROJECT = 'default'

const { values } = parseArgs({
  options: { engine: { type: 'string', default: 'journal' }, seconds: { type: 'string', default: '20' } },
})
const newEngine = ENGINES[values.engine]
if (!newEngine) throw new Error(`--engine takes ${Object.keys(ENGINES).join(', ')}.`)

const limits: Limits = DEFAULT_LIMITS
const engine = newEngine({
  limits: () => limits,
  now: Date.now,
  newId: () => crypto.randomUUID(),
  newEpoch: () => crypto.randomUUID().slice(0, 8),
})
await engine.start(NOBODY)
for (let at = 0; at < MAILBOXES; at++) append(engine, at, 30 * 24 * 3600)
await engine.flush()

const held_ms: number[] = []
const end_ms = performance.now() + Number(values.seconds) * 1000
let messages = 0
let swept_ms = 0
for (let began_ms = performance.now(); began_ms < end_ms; began_ms = performance.now()) {
  await turn(() => {
    for (let i = 0; i < IN_TURN; i++) append(engine, (messages + i) * 7, 300)
  })
  await turn(() => {
    for (let i = 0; i < IN_TURN; i++) read(engine, (messages + i) * 7)
  })
  messages += IN_TURN
  if (began_ms - swept_ms < SWEEP_MS) continue
  swept_ms = began_ms
  await turn(() => void engine.sweep())
}
held_ms.sort((a, b) => a - b)
const { journal } = await engine.stats()
console.log(`${values.engine}: ${Math.round(messages / Number(values.seconds))} messages/s`)
for (const share of [0.5, 0.99, 0.999, 1])
  console.log(`  p${share * 100}  ${held_ms[Math.floor(share * (held_ms.length - 1))]!.toFixed(2)} ms`)
if (journal)
  console.log(
    `  log ${mib(journal.bytes)} MiB of which ${mib(journal.live_bytes)} live, ${journal.segments} segments`,
  )
await engine.stop()

/** Does something and flushes; the wait for a disk holds nothing up. */
async function turn(does: () => void): Promise<void> {
  const began_ms = performance.now()
  does()
  const flushed = engine.flush()
  held_ms.push(performance.now() - began_ms)
  await flushed
  await new Promise((resolve) => setImmediate(resolve))
}

function append(engine: Engine, mailbox: number, ttl_seconds: number): void {
  const recipient_id = `reader-${mailbox % MAILBOXES}`
  const content = { message: 'x'.repeat(120), ttl_seconds }
  const message = createMessage(content, 'sender', recipient_id, Bun.randomUUIDv7(), Date.now(), 300)
  void engine.append(PROJECT, message, recipient_id)
}

function read(engine: Engine, mailbox: number): void {
  const address = { project: PROJECT, client_id: `reader-${mailbox % MAILBOXES}` }
  void engine.read(address, undefined, { limit: 10, bytes_max: 1024 * 1024, ack: 'auto' })
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0)
}

import { post } from '../clients/events.ts'
import { connectRpc } from '../clients/rpc.ts'
import { diskFolder } from '../folder.ts'
import { isAvailable, keepingFlags, NOT_AVAILABLE } from '../keeping.ts'
import { LogSize } from '../log-size.ts'
import { drained, payloadJson } from '../open-loop.ts'
import { BROKER_ENV, brokerCommand } from '../peers/broker.ts'
import { numberedFrame, unacknowledged } from '../peers/receipts.ts'
import type { Budget, Row, Run, Scenario } from '../scenario.ts'
import { Server } from '../server.ts'
import { watchStart } from '../starting.ts'

const MAILBOXES = 1000
const SHORT_MAILBOXES = 100
/** Messages in each: what it holds by default, nearly. */
const EACH = 1000
/** Messages in a frame. */
const BATCH = 500
const SENDERS = 4
const SETTINGS = {
  MCP_BROKER_STORED_BYTES_MAX: String(1024 ** 3),
  MCP_BROKER_TTL_SECONDS: String(24 * 3600),
}
const READY_SECONDS_MAX = 4
const MEMORY_MB_MAX = 1000
const FIRST_LIVE_SECONDS_MAX = 1
/** A probe that waits longer than so restarts what it probes. */
const LIVE_MS_MAX = 500
/** It is given up after so long. */
const START_MS_MAX = 60_000

export const start: Scenario = {
  name: 'start',
  summary:
    'a start with one million stored messages of 200 bytes in 1,000 mailboxes: when it is ready, and whether it answers meanwhile',
  in_short: false,
  async run(run) {
    if (!isAvailable('normal'))
      return { rows: [{ what: 'normal', lost: 0, twice: 0, budgets: [], note: NOT_AVAILABLE }] }
    const folder = diskFolder()
    const command = brokerCommand(keepingFlags('normal', folder))
    const env = { ...BROKER_ENV, ...SETTINGS }
    const mailboxes = run.short ? SHORT_MAILBOXES : MAILBOXES
    const filled = await fill(run, await (await Server.start(command, env)).ready(), mailboxes)
    run.say('starting again')
    // The folder goes with this one.
    await using server = await Server.spawn(command, env, folder)
    return { rows: [filled, await started(server, mailboxes * EACH)] }
  },
}

/** Stores the messages and stops the broker in order. */
export async function fill(run: Run, broker: Server, mailboxes: number): Promise<Row> {
  await using server = broker
  run.say(`${mailboxes} mailboxes check in`)
  for (let i = 0; i < mailboxes; i++)
    await post(`${server.url}/v1/sessions`, JSON.stringify({ client_id: `mailbox-${i}` }))
  run.say(`${mailboxes * EACH} messages are stored`)
  const began_ms = performance.now()
  const began_cpu_us = server.cpuMicroseconds()
  let next = 0
  const stored = await Promise.all(
    Array.from({ length: SENDERS }, (_, i) => store(server.url, `source-${i}`, () => next++, mailboxes)),
  )
  const seconds = (performance.now() - began_ms) / 1000
  const all = stored.reduce((sum, n) => sum + n, 0)
  using log = LogSize.watch(server)
  return {
    what: 'filled',
    rate: all / seconds,
    cpu_us: (server.cpuMicroseconds() - began_cpu_us) / all,
    memory_bytes: server.memoryBytes(),
    lost: mailboxes * EACH - all,
    twice: 0,
    budgets: [await log.budget()],
  }
}

/** Fills one mailbox after the other, a frame at a time. @returns how many messages got a receipt */
async function store(
  url: string,
  client_id: string,
  mailbox: () => number,
  mailboxes: number,
): Promise<number> {
  let receipts = 0
  let sent = 0
  const rpc = await connectRpc(url, undefined, () => void receipts++)
  await rpc.call('checkin_client', { client_id })
  for (let to = mailbox(); to < mailboxes; to = mailbox())
    for (let n = 0; n < EACH; n += BATCH) {
      const payloads = Array.from({ length: BATCH }, (_, i) => payloadJson(n + i, 0))
      rpc.send(numberedFrame(`mailbox-${to}`, n, payloads))
      sent += BATCH
      await drained(() => sent - receipts)
    }
  rpc.close()
  return receipts
}

export async function started(server: Server, messages: number): Promise<Row> {
  const { ready_ms, first_live_ms, live, silent } = await watchStart(server, START_MS_MAX)
  const peak = server.peakMemoryBytes()
  const most = (what: string, value: number, limit: number, unit: Budget['unit']): Budget => ({
    what,
    bound: 'at most',
    limit,
    value,
    unit,
  })
  return {
    what: 'started again',
    latency: live,
    memory_bytes: peak,
    lost: messages - (await unacknowledged(server.url)),
    twice: 0,
    budgets: [
      most('ready after', ready_ms / 1000, READY_SECONDS_MAX, 's'),
      most('peak memory', peak / 1e6, MEMORY_MB_MAX, 'MB'),
      most('first sign of life', first_live_ms / 1000, FIRST_LIVE_SECONDS_MAX, 's'),
      most('answers then', silent > 0 ? Number.NaN : live.max, LIVE_MS_MAX, 'ms'),
    ],
    note: `asked whether it lives every 50 ms; ${silent} times it did not say`,
  }
}

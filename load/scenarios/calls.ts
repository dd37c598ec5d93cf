import autocannon from 'autocannon'
import { MeasuredBroker } from '../broker.ts'
import type { Result } from '../report.ts'

export interface CallsOptions {
  readonly scenario: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
  /** A text that every right answer contains. */
  readonly expected: string
  readonly connections: number
  readonly seconds: number
  readonly p99_ms_max: number
}

/** The same call again and again over keep-alive connections, each waiting for its answer. */
export async function calls(options: CallsOptions): Promise<Result> {
  // Nobody reads what is sent here: a mailbox that drops its oldest keeps taking, so that each call does all of its work.
  await using broker = await MeasuredBroker.start({ MCP_BROKER_MAILBOX_OVERFLOW: 'drop_oldest' })
  const cpu_before = broker.cpuMicroseconds()
  const run = await autocannon({
    url: `${broker.url}${options.path}`,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: options.body,
    connections: options.connections,
    duration: options.seconds,
    verifyBody: (body) => String(body).includes(options.expected),
  })
  const answered = run.requests.total
  const failed = run.errors + run.timeouts + run.non2xx + run.mismatches
  const missed: string[] = []
  if (answered === 0) missed.push('no call was answered')
  if (failed > 0) missed.push(`${failed} calls failed`)
  if (!(run.latency.p99 <= options.p99_ms_max))
    missed.push(`p99 ${run.latency.p99} ms > ${options.p99_ms_max} ms`)
  return {
    scenario: options.scenario,
    rate: run.requests.average,
    // autocannon gives no 95th percentile: the next one it gives stands for it, which is never smaller.
    latency: { p50: run.latency.p50, p95: run.latency.p97_5, p99: run.latency.p99, max: run.latency.max },
    cpu_us: (broker.cpuMicroseconds() - cpu_before) / Math.max(1, answered),
    memory_bytes: broker.memoryBytes(),
    lost: failed,
    twice: 0,
    missed,
    budget: `p99 ≤ ${options.p99_ms_max} ms, none failed`,
  }
}

const message = { sender_id: 'driver', recipient_id: 'sink', payload: { pad: 'x'.repeat(150) } }

/** `send_message` over HTTP. */
export const HTTP_SEND = {
  scenario: 'HTTP send_message',
  path: '/v1/messages',
  headers: {},
  body: JSON.stringify(message),
  expected: '"status":"queued"',
}

/** `send_message` as an MCP tool call with the 2026-07-28 envelope. */
export const MCP_SEND = {
  scenario: 'MCP tools/call send_message',
  path: '/mcp',
  headers: {
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'send_message',
  },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'send_message',
      arguments: message,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'load', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  }),
  expected: 'queued',
}

import { expect, test } from 'bun:test'
import { LiveStream, type StreamCare } from '../../../src/transports/mcp/live-stream.ts'
import { until } from '../../harness.ts'

/** A stream whose source and clock are in the test's hands; its body is read by the test, or not at all. */
function liveStream(care: StreamCare = {}) {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const cancelled = { source: false }
  const source = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    cancel: () => {
      cancelled.source = true
    },
  })
  const timeouts: number[] = []
  const clock = { now: 0 }
  const exchange = {
    request: new Request('http://127.0.0.1/mcp'),
    identity: { project: 'default', key_id: undefined, scopes: new Set<never>(), session: undefined },
    body: undefined,
    timeout: (seconds: number) => void timeouts.push(seconds),
  }
  const stream = new LiveStream(source, exchange, () => clock.now, care)
  return {
    stream,
    clock,
    timeouts,
    cancelled,
    write: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close(),
    /** Looks after it at a time, with comments after a minute and a cut after five seconds. */
    tend(now: number) {
      clock.now = now
      stream.tend(now, 60_000, 5000)
    },
  }
}

test('what the source writes comes out, after a comment', async () => {
  const { stream, write, end } = liveStream()
  write('a')
  write('b')
  end()
  expect(await new Response(stream.body).text()).toBe(': \n\nab')
})

test('an unread stream takes no more hints, then is cut and lets go of everything', async () => {
  let ended = 0
  const { stream, write, tend, cancelled, timeouts } = liveStream({ onEnd: () => void ended++ })
  expect(stream.writable).toBe(true)
  for (let i = 0; i < 20; i++) write('x')
  await until('the backlog', () => (stream.writable ? undefined : true))
  tend(1000)
  tend(5999)
  expect(ended).toBe(0)
  tend(6000)
  expect(ended).toBe(1)
  expect(cancelled.source).toBe(true)
  expect(timeouts).toEqual([0, 30])
  expect(await new Response(stream.body).text()).toBe(': \n\n')
})

test('a reader that is slow but reads is not cut', async () => {
  const { stream, write, tend } = liveStream()
  const reader = stream.body.getReader()
  for (let i = 0; i < 20; i++) write('x')
  await until('the backlog', () => (stream.writable ? undefined : true))
  for (let now = 0; now < 60_000; now += 4000) {
    tend(now)
    expect((await reader.read()).done).toBe(false)
  }
})

test('a stream whose source has ended and which nobody takes is cut too', async () => {
  let ended = 0
  const { end, tend } = liveStream({ onEnd: () => void ended++ })
  end()
  await until('it to be seen', () => {
    tend(0)
    tend(5000)
    return ended === 1 ? true : undefined
  })
})

test('a quiet stream gets a comment', async () => {
  const { stream, tend } = liveStream()
  const reader = stream.body.getReader()
  const next = async () => new TextDecoder().decode((await reader.read()).value as Uint8Array)
  expect(await next()).toBe(': \n\n')
  tend(59_999)
  tend(60_000)
  tend(60_001)
  expect(await next()).toBe(': \n\n')
  tend(120_000)
  expect(await next()).toBe(': \n\n')
})

test('who keeps up is offered hints again and again, who does not is not', async () => {
  let offered = 0
  const { stream, write, tend } = liveStream({ onWritable: () => void offered++ })
  tend(0)
  expect(offered).toBe(1)
  for (let i = 0; i < 20; i++) write('x')
  await until('the backlog', () => (stream.writable ? undefined : true))
  tend(1)
  expect(offered).toBe(1)
})

import { describe, expect, test } from 'bun:test'
import { pino } from 'pino'
import { LoadingProgress } from '../../src/cli/loading-progress.ts'
import { until } from '../harness.ts'
import { environment } from './harness.ts'

const PROGRAM = [process.execPath, new URL('held-broker.ts', import.meta.url).pathname]

/**
 * A broker whose engine loads, in a process of its own; `told` has what it wrote to standard output so far.
 */
function serveHeld(args: readonly string[] = [], inTerminal = false) {
  const line = [...PROGRAM, 'serve', '--port', '0', ...args]
  const child = Bun.spawn(inTerminal ? ['script', '-qec', line.join(' '), '/dev/null'] : line, {
    env: environment(),
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const told = { text: '' }
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) told.text += text
  })()
  return {
    child,
    told,
    reading,
    say(word: string): void {
      child.stdin.write(`${word}\n`)
      child.stdin.flush()
    },
    shows: (text: string) => until(`"${text}"`, () => (told.text.includes(text) ? true : undefined)),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await Promise.all([child.exited, reading])
    },
  }
}

const messages = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)

describe('serve, while its engine loads', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it at once, with 0', async (signal) => {
    await using broker = serveHeld()
    await broker.shows('messages are kept in memory')
    broker.child.kill(signal)
    expect(await broker.child.exited).toBe(0)
    await broker.reading
    expect(messages(broker.told.text).slice(1)).toEqual(['stopping', 'stopped'])
  })

  test('says where it keeps messages first, and where it listens when it has started', async () => {
    await using broker = serveHeld(['--data-dir', '/somewhere', '--journal-sync', 'full'])
    await broker.shows('\n')
    expect(JSON.parse(broker.told.text)).toMatchObject({
      msg: 'messages are kept on disk',
      stored: 'disk',
      data_dir: '/somewhere',
      journal_sync: 'full',
    })
    broker.say('open')
    await broker.shows('"listening"')
    broker.child.kill('SIGTERM')
    expect(await broker.child.exited).toBe(0)
  })

  test.each([
    ['refuse', 'error: The directory is held by process 7.\n  Stop it.\n', 1],
    // An error code of the engine's says nothing of the port.
    [
      'fail',
      'error: The broker could not start: a disk that lies\n  The log says where that came from.\n',
      2,
    ],
  ])('an engine that does not start: one clear sentence, and 1 (%s)', async (word, said, lines) => {
    await using broker = serveHeld()
    await broker.shows('messages are kept in memory')
    broker.say(word)
    expect(await broker.child.exited).toBe(1)
    expect(await broker.child.stderr.text()).toBe(said)
    await broker.reading
    expect(messages(broker.told.text)).toHaveLength(lines)
  })

  test('shows in a terminal how far it is, in a line that goes when it has started', async () => {
    await using broker = serveHeld([], true)
    await broker.shows('messages are kept in memory')
    await until('a line that moves', () => {
      broker.say('50')
      return (
        broker.told.text.includes('\x1b[2KLoading what is stored: 50.0 of 100.0 MiB (50 %)\r') || undefined
      )
    })
    broker.say('100')
    broker.say('open')
    await broker.shows('arrives as "payload".')
    // Between the last of it and the next line of the log.
    const after = broker.told.text.split('(50 %)\r').at(-1)!
    expect(after.split('INFO')[0]).toContain('\x1b[2K\r')
    broker.child.kill('SIGTERM')
  })
})

describe('how far it is', () => {
  const BYTES_EACH_MS = (1024 * 1024) / 100

  /** What is told of a load that says so every 50 ms for 2.5 s. */
  function toldOf(interactive: boolean): { lines: string[]; moves: (string | undefined)[] } {
    const lines: string[] = []
    const moves: (string | undefined)[] = []
    const terminal = {
      interactive,
      colour: false,
      width: 80,
      out: () => undefined,
      err: () => undefined,
      moving: (line: string | undefined) => void moves.push(line),
    }
    let now = 0
    const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line.trim()) })
    const progress = new LoadingProgress(terminal, log, () => now)
    for (; now <= 2500; now += 50) progress.progress(now * BYTES_EACH_MS, 2500 * BYTES_EACH_MS)
    progress.end()
    return { lines, moves }
  }

  test('is a log line at most every second', () => {
    const { lines, moves } = toldOf(false)
    expect(lines).toEqual([
      '{"level":30,"loaded_bytes":10485760,"total_bytes":26214400,"msg":"loading"}',
      '{"level":30,"loaded_bytes":20971520,"total_bytes":26214400,"msg":"loading"}',
    ])
    expect(moves).toEqual([])
  })

  test('is a line that moves ten times a second on a terminal, and is taken away', () => {
    const { lines, moves } = toldOf(true)
    expect(lines).toEqual([])
    expect(moves).toHaveLength(25)
    expect(moves[23]).toBe('Loading what is stored: 24.0 of 25.0 MiB (96 %)')
    expect(moves.at(-1)).toBeUndefined()
  })

  test('is nothing where the start is over soon', () => {
    const moves: unknown[] = []
    const terminal = {
      interactive: true,
      colour: false,
      width: 80,
      out: () => undefined,
      err: () => undefined,
      moving: (line: string | undefined) => void moves.push(line),
    }
    const progress = new LoadingProgress(terminal, pino({ level: 'silent' }), () => 0)
    progress.progress(1, 2)
    progress.end()
    expect(moves).toEqual([])
  })
})

import { describe, expect, test } from 'bun:test'
import { createLog, type LogOptions } from '../../src/observability/log.ts'

function logTo(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const log = createLog(
    { level: 'debug', format: 'auto', terminal: false, colour: false, ...options },
    { write: (line) => void lines.push(line) },
  )
  return { log, lines }
}

describe('the log', () => {
  test('JSON where nobody looks on: level in words, time in RFC 3339', () => {
    const { log, lines } = logTo()
    log.info({ url: 'http://x' }, 'listening')
    const line = JSON.parse(lines[0]!)
    expect(line).toEqual({ level: 'info', time: line.time, url: 'http://x', msg: 'listening' })
    expect(new Date(line.time).toISOString()).toBe(line.time)
  })

  test('readable in a terminal', () => {
    const { log, lines } = logTo({ terminal: true })
    log.warn({ url: 'http://x', count: 2 }, 'look')
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}look url=http:\/\/x count=2\n$/)
  })

  test.each([
    ['json', true, /^\{/],
    ['pretty', false, /^\d\d:/],
  ] as const)('%s says so whatever is looking on', (format, terminal, start) => {
    const { log, lines } = logTo({ format, terminal })
    log.info('x')
    expect(lines[0]).toMatch(start)
  })

  test('colours are asked for', () => {
    const plain = logTo({ terminal: true })
    plain.log.error('x')
    expect(plain.lines[0]).not.toContain('\x1b')
    const coloured = logTo({ terminal: true, colour: true })
    coloured.log.error('x')
    expect(coloured.lines[0]).toStartWith('\x1b[31m')
  })

  test('below its level nothing is written, and silent is silent', () => {
    const { log, lines } = logTo({ level: 'warn' })
    log.info('x')
    const silent = logTo({ level: 'silent' })
    silent.log.fatal('x')
    expect([...lines, ...silent.lines]).toEqual([])
  })

  test('an error comes with its stack and its cause', () => {
    const err = new Error('outer', { cause: new Error('inner') })
    const json = logTo()
    json.log.error({ err }, 'failed')
    const line = JSON.parse(json.lines[0]!)
    expect(line.err.stack).toContain('log.test.ts')
    expect(line.err.stack).toContain('inner')
    const readable = logTo({ terminal: true })
    readable.log.error({ err }, 'failed')
    expect(readable.lines[0]).toContain('failed\n  Error: outer\n  ')
  })

  test.each([false, true])(
    'secrets and payloads are masked however they get there (terminal: %p)',
    (terminal) => {
      const { log, lines } = logTo({ terminal })
      log.info({ key: 'SECRET', payload: 'SECRET' }, 'x')
      log.info({ headers: { authorization: 'SECRET', cookie: 'SECRET' } }, 'x')
      log.info({ config: { admin_key: 'SECRET' }, request: { headers: { authorization: 'SECRET' } } }, 'x')
      expect(lines).toHaveLength(3)
      expect(lines.join('')).not.toContain('SECRET')
      expect(lines[0]).toContain('[secret]')
    },
  )

  test('what others chose cannot move the cursor of the terminal, nor begin a line of its own', () => {
    const { log, lines } = logTo({ terminal: true })
    log.info({ client_id: 'a\x1b[2J\x9b\u202e\r\nb' }, 'x')
    expect(lines[0]).toEndWith('client_id=a\\x1b[2J\\x9b\\x202e\\x0d\\x0ab\n')
  })
})

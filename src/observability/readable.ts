/** ANSI colours by level; info needs none. */
const COLOURS: Readonly<Record<string, string>> = {
  trace: '\x1b[90m',
  debug: '\x1b[90m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
  fatal: '\x1b[31m',
}

interface LogLine {
  level: string
  time: string
  msg?: string
  err?: { stack?: string; message?: string }
  [member: string]: unknown
}

/**
 * A JSON log line for people: time of day (UTC), level, message, the other members as `name=value`, and
 * below them an error's stack.
 */
export function readable(json: string, colour: boolean): string {
  const { level, time, msg = '', err, ...rest } = JSON.parse(json) as LogLine
  const members = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const stack = err ? `\n${indent(err.stack ?? err.message ?? '')}` : ''
  const head = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)}`
  const tint = colour ? COLOURS[level] : undefined
  return `${tint ? `${tint}${head}\x1b[0m` : head} ${oneLine(msg + members.join(''))}${stack}\n`
}

/** Escapes line ends, so that a name from a client cannot begin a line that looks like another entry. */
function oneLine(text: string): string {
  return escapeControls(text).replaceAll('\n', '\\x0a')
}

function indent(text: string): string {
  return escapeControls(text)
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}

/** Escapes what moves a terminal's cursor, so that a name from a client cannot. Line ends and tabs stay. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Control characters (C0 except tab and line feed, DEL, C1), and those that change the text direction. */
const CONTROLS = /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

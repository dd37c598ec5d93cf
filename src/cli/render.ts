import type { Message } from '../core/message.ts'
import { escapeControls } from '../observability/readable.ts'
import type { Terminal } from './terminal.ts'

const STYLES = { bold: '1', dim: '90', green: '32', yellow: '33', red: '31', cyan: '36' } as const

export function styled(text: string, style: keyof typeof STYLES, { colour }: Terminal): string {
  return colour ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text
}

/**
 * Prints rows: aligned columns under a heading in a terminal, tab-separated and without a heading in a pipe.
 *
 * @param style of a cell, by its column's index and its text
 */
export function table(
  terminal: Terminal,
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  style: (column: number, text: string) => keyof typeof STYLES | undefined = () => undefined,
): void {
  if (!terminal.interactive) {
    for (const row of rows) terminal.out(row.map(oneLine).join('\t'))
    return
  }
  const cells = rows.map((row) => row.map(oneLine))
  const widths = heading.map((title, at) =>
    Math.max(...[title, ...cells.map((row) => row[at] ?? '')].map((text) => Bun.stringWidth(text))),
  )
  const pad = (text: string, at: number) => text + ' '.repeat((widths[at] ?? 0) - Bun.stringWidth(text))
  terminal.out(styled(heading.map(pad).join('  ').trimEnd(), 'dim', terminal))
  for (const row of cells)
    terminal.out(
      row
        .map((text, at) => {
          const tint = style(at, text)
          return tint ? styled(pad(text, at), tint, terminal) : pad(text, at)
        })
        .join('  ')
        .trimEnd(),
    )
}

/** Text that stays on its line and in its column: line ends, tabs and backslashes are escaped as in JSON. */
export function oneLine(text: string): string {
  return escapeControls(
    text.replaceAll('\\', '\\\\').replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\t', '\\t'),
  )
}

/** A payload as text: a string is itself, all else JSON. */
export function payloadText(payload: unknown): string {
  return typeof payload === 'string' ? payload : JSON.stringify(payload)
}

/** A payload as the whole output: untouched for a program, harmless for a terminal. */
export function printPayload(terminal: Terminal, payload: unknown): void {
  const text = payloadText(payload)
  terminal.out(terminal.interactive ? escapeControls(text) : text)
}

/**
 * One message: for people in a terminal; in a pipe `sent_at`, `message_id`, `sender_id` and payload, with
 * tabs.
 */
export function printMessage(terminal: Terminal, message: Message): void {
  const { message_id, sender_id, sent_at, payload } = message
  if (!terminal.interactive) {
    const text = payloadText(payload)
    // JSON has escaped its own line ends.
    const line = typeof payload === 'string' ? oneLine(text) : escapeControls(text)
    terminal.out([sent_at, message_id, sender_id, line].join('\t'))
    return
  }
  const notes = [
    message.priority,
    message.broadcast ? 'broadcast' : undefined,
    message.attempt === undefined ? undefined : `attempt ${message.attempt}`,
  ].filter((note) => note !== undefined)
  const time = styled(new Date(sent_at).toTimeString().slice(0, 8), 'dim', terminal)
  const mark = notes.length > 0 ? ` ${styled(`(${notes.join(', ')})`, 'yellow', terminal)}` : ''
  const text = escapeControls(payloadText(payload)).replaceAll('\n', '\n          ')
  terminal.out(`${time}  ${styled(oneLine(sender_id), 'cyan', terminal)}${mark}  ${text}`)
}

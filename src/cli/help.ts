import type { Flag } from './flags.ts'
import { PROGRAM } from './program.ts'
import type { Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

/** Flags that every verb takes. */
export const COMMON_FLAGS: Readonly<Record<string, Flag>> = {
  help: { kind: 'switch', short: 'h', help: 'Show this.' },
}

/** What `mcp-broker --help` prints. */
export function overview(verbs: readonly Verb[], terminal: Terminal): string {
  return [
    'mcp-broker: the message broker for AI agents.',
    '',
    ...heading('Try', terminal),
    ...columns(terminal, [
      [`${PROGRAM} serve`, 'run a broker on http://127.0.0.1:8123'],
      [`${PROGRAM} watch backend`, 'print what is sent to "backend", as it comes'],
      [`${PROGRAM} send backend "hello"`, 'send it something'],
      [`${PROGRAM} send backend "2+2?" --wait`, 'send, and print the reply'],
      [`${PROGRAM} connect claude-code`, 'how an agent gets here'],
    ]),
    '',
    ...heading('Verbs', terminal),
    ...columns(terminal, verbs.map(asRow)),
    '',
    ...heading('Everywhere', terminal),
    ...columns(terminal, [
      [`${PROGRAM} VERB --help`, 'examples and flags of one verb'],
      [`${PROGRAM} --version`, 'the version'],
    ]),
    '',
    'Exit codes: 0 done, 1 failed, 2 the command line is wrong.',
  ].join('\n')
}

/** What `mcp-broker VERB --help` prints. */
export function verbHelp(verb: Verb, terminal: Terminal): string {
  const flags = Object.entries({ ...verb.flags, ...COMMON_FLAGS })
  return [
    verb.summary,
    '',
    ...heading('Examples', terminal),
    ...columns(terminal, verb.examples),
    '',
    ...heading('Usage', terminal),
    `  ${PROGRAM} ${[verb.name, verb.args].filter(Boolean).join(' ')} [flags]`,
    '',
    ...(verb.parts ? [...heading('Verbs', terminal), ...columns(terminal, verb.parts.map(asRow)), ''] : []),
    ...heading('Flags', terminal),
    ...columns(
      terminal,
      flags.map(([name, flag]) => [flagText(name, flag), flag.help]),
    ),
    ...(verb.notes ?? []).flatMap((note) => ['', ...wrap(note, terminal.width)]),
  ].join('\n')
}

function asRow({ name, args, summary }: Verb): readonly [string, string] {
  return [`${name} ${args}`.trim(), summary]
}

function flagText(name: string, { kind, value = 'VALUE', short }: Flag): string {
  const values = { value: ` ${value}`, switch: '', optional: `[=${value}]` }
  return `${short ? `-${short}, ` : ''}--${name}${values[kind]}`
}

function heading(text: string, { colour }: Terminal): string[] {
  return [colour ? `\x1b[1m${text}\x1b[0m` : text]
}

/** Two columns, the second wrapped. Beside an entry that is too wide, the second column goes below it. */
function columns(terminal: Terminal, rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  if (width > COLUMN_MAX)
    return rows.flatMap(([left, right]) => [
      `  ${left}`,
      ...wrap(right, terminal.width - BELOW.length).map((line) => BELOW + line),
    ])
  const indent = ' '.repeat(width + 4)
  return rows.flatMap(([left, right]) => {
    const [first = '', ...more] = wrap(right, Math.max(COLUMN_MIN, terminal.width - indent.length))
    return [`  ${left.padEnd(width)}  ${first}`.trimEnd(), ...more.map((line) => indent + line)]
  })
}

const COLUMN_MAX = 44
const COLUMN_MIN = 30
const BELOW = ' '.repeat(6)

/** Breaks text between words, into lines of at most `width` characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' '))
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  return [...lines, line]
}

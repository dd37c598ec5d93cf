import { ago, count } from '../broker/commands/schema.ts'
import { CALL_FLAGS, call, targetOf, wantsJson } from './client.ts'
import { PROGRAM } from './program.ts'
import { table } from './render.ts'
import { EXIT } from './terminal.ts'
import { numberFlag, type Verb } from './verb.ts'

interface Sessions {
  readonly sessions: readonly {
    readonly session_id: string
    readonly client_id: string
    readonly name?: string
    readonly status: string
    readonly last_seen_at: string
    readonly capabilities: { readonly features?: readonly string[] }
  }[]
  readonly total: number
}

const STATUS_STYLES: Readonly<Record<string, 'green' | 'yellow' | 'dim'>> = {
  active: 'green',
  stale: 'yellow',
  disconnected: 'dim',
}

export const sessions: Verb = {
  name: 'sessions',
  summary: 'List who is there.',
  args: '',
  positionals: [0, 0],
  examples: [
    [`${PROGRAM} sessions`, 'everybody'],
    [`${PROGRAM} sessions --status active --feature review`, 'who is here now, and can review'],
    [`${PROGRAM} sessions --json`, 'whole sessions, with all capabilities'],
  ],
  notes: [
    'In a pipe each session is one line: client_id, status, last_seen_at, session_id and name, between tabs.',
  ],
  flags: {
    status: {
      kind: 'value',
      value: 'STATUS',
      many: true,
      help: 'active, stale or disconnected; may be repeated.',
    },
    feature: { kind: 'value', value: 'WORD', many: true, help: 'Only who offers this; may be repeated.' },
    limit: { kind: 'value', value: 'COUNT', help: 'At most this many (200).' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const list = await call<Sessions>(targetOf(line, surroundings), 'list_sessions', {
      status_filter: line.flags.get('status'),
      capability_filter: line.flags.get('feature'),
      limit: numberFlag(line, 'limit', 'sessions'),
    })
    if (wantsJson(line)) {
      terminal.out(JSON.stringify(list))
      return EXIT.ok
    }
    if (terminal.interactive) {
      const now = Date.now()
      table(
        terminal,
        ['CLIENT', 'STATUS', 'SEEN', 'NAME', 'FEATURES'],
        list.sessions.map(({ client_id, status, last_seen_at, name, capabilities }) => [
          client_id,
          status,
          ago(last_seen_at, now),
          name ?? '',
          capabilities.features?.join(', ') ?? '',
        ]),
        (column, text) => (column === 1 ? STATUS_STYLES[text] : undefined),
      )
    } else
      table(
        terminal,
        [],
        list.sessions.map(({ client_id, status, last_seen_at, session_id, name }) => [
          client_id,
          status,
          last_seen_at,
          session_id,
          name ?? '',
        ]),
      )
    if (list.total > list.sessions.length)
      terminal.err(`${count(list.total, 'session')} in all: raise --limit to see more.`)
    return EXIT.ok
  },
}

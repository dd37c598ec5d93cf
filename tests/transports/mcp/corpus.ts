import { COMMANDS_BY_NAME } from '../../../src/broker/commands/index.ts'
import type { Ask } from './lanes.ts'
import { ACCEPT, MODERN_META } from './raw.ts'

/** A request, and whether it is one that needs no SDK. */
export interface Case extends Ask {
  readonly what: string
  readonly plain: boolean
}

type Json = Record<string, unknown>

const ERAS = ['2025', '2026'] as const
type Era = (typeof ERAS)[number]

const own = { client_id: 'alice' }
const mail = { sender_id: 'alice', recipient_id: 'bob' }
const note = { name: 'note', schema: { type: 'object', required: ['text'] } }
const move = { name: 'note', from_version: '1.0.0', payload: { text: 'x' } }

/** Arguments for each command, right ones and wrong ones. */
export const INPUTS: Readonly<Record<string, readonly Json[]>> = {
  checkin_client: [
    own,
    { ...own, name: 'Alice', capabilities: { features: ['review'] } },
    {},
    { client_id: '../etc' },
  ],
  heartbeat: [{}, { session_id: 'none' }],
  list_sessions: [
    {},
    { status_filter: 'active' },
    { status_filter: 'asleep' },
    { capability_filter: 'review' },
  ],
  get_my_identity: [{}],
  send_message: [
    { ...mail, message: 'hello' },
    { ...mail, payload: { deep: [1, { two: null }], é: '\ud800', constructor: 1 } },
    { ...mail, payload: null, priority: 'urgent', headers: { trace: '1' }, ttl_seconds: 60 },
    { ...mail, recipient_id: 'alice', message: 'to myself' },
    { ...mail, message: 'once', idempotency_key: 'k' },
    { ...mail, message: 'once', idempotency_key: 'k' },
    { ...mail, message: 'x', payload: 'y' },
    { ...mail, mesage: 'x' },
    { recipient_id: 'bob', message: 'from nobody' },
    { sender_id: 'mallory', recipient_id: 'bob', message: 'forged' },
    { ...mail, payload: JSON.parse('['.repeat(70) + ']'.repeat(70)) },
    { ...mail, recipient_id: 7, message: 'x' },
    { ...mail, payload: { text: 'typed' }, protocol_name: 'chat' },
    { ...mail, payload: { text: 7 }, protocol_name: 'chat', protocol_version: '1.0.0' },
  ],
  get_message_status: [{ message_id: '$message_id' }, { message_id: 'none' }, { message_id: '' }],
  broadcast_message: [{ sender_id: 'alice', message: 'all' }, { sender_id: 'alice' }],
  send_message_and_wait: [
    { ...mail, message: 'now', timeout: 0 },
    { ...mail, message: 'soon', timeout: 0.02 },
    { ...mail, message: 'never', timeout: -1 },
  ],
  get_messages: [
    { ...own, ack: 'manual', limit: 1 },
    { ...own, ack: 'none', wait_seconds: 0 },
    own,
    { ...own, wait_seconds: 0.02 },
    { ...own, wait_seconds: 'long' },
    { client_id: 'bob' },
    {},
  ],
  ack_messages: [own, { ...own, message_ids: ['none'] }, { ...own, message_ids: 'none' }],
  nack_messages: [own, { ...own, delay_seconds: 0 }],
  replay_messages: [own, { ...own, since: 'yesterday' }, { ...own, after: 'nonsense' }],
  list_dead_letters: [{}, { reason: 'expired' }, { reason: 'boredom' }],
  requeue_dead_letters: [{}, { message_ids: ['none'] }],
  register_protocol: [
    { ...note, version: '1.0.0' },
    { ...note, version: '1.0.0' },
    { ...note, version: 'latest' },
    { ...note, version: '1.1.0', schema: { type: 'strng' } },
    {},
  ],
  discover_protocols: [{}, { name: 'note' }, { version_range: 'latest' }, { include: ['schema'] }],
  negotiate_capabilities: [
    { session_id: 'alice', target_id: 'bob' },
    { session_ids: ['alice'] },
    { target_id: 'nobody' },
    {},
  ],
  transform_message: [
    { ...move, to_version: '1.0.0' },
    { ...move, to_version: '9.0.0' },
    { ...move, name: 'none', to_version: '1.0.0' },
  ],
  deprecate_protocol: [
    { name: 'note', version: '1.0.0', message: 'over' },
    { name: 'chat', version: '1.0.0' },
  ],
  disconnect_session: [{ session_id: 'none' }],
}

/** JSON that is not what was there. */
const VALUES: readonly unknown[] = [null, true, 0, 1.5, '', 'x', [], {}, [1], { a: 1 }]
const UNUSUAL_MEMBERS = [
  'extra',
  'task',
  'progressToken',
  'requestState',
  'inputResponses',
  'constructor',
  '__proto__',
]

const META = 'io.modelcontextprotocol/'

/** What may stand in a place of the envelope without making the call unusual; a missing member is undefined. */
const PLAIN_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  id: [0, '', 'x'],
  'params.arguments': [undefined, {}, { a: 1 }],
  [`params._meta.${META}clientInfo`]: [undefined],
  [`params._meta.${META}clientCapabilities`]: [{}],
}

function callOf(era: Era, name: string, input: unknown, id: unknown = 1): Json {
  return {
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: input, ...(era === '2026' ? { _meta: MODERN_META } : {}) },
  }
}

function headersOf(era: Era, name: string): Record<string, string> {
  const common = { accept: ACCEPT, 'content-type': 'application/json' }
  return era === '2025'
    ? common
    : { ...common, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name }
}

/** A call that waits may be streamed; in the 2025 era all commands that can wait are. */
function waits(era: Era, name: string, input: Json): boolean {
  const parameter = COMMANDS_BY_NAME.get(name)?.waits
  if (parameter === undefined) return false
  return era === '2025' || (input[parameter] ?? (name === 'get_messages' ? 0 : 60)) !== 0
}

function* validCalls(era: Era): Generator<Case> {
  for (const [name, inputs] of Object.entries(INPUTS))
    for (const input of inputs)
      yield {
        what: `${name} ${JSON.stringify(input).slice(0, 80)}`,
        era,
        headers: headersOf(era, name),
        body: JSON.stringify(callOf(era, name, input)),
        plain: !waits(era, name, input),
      }
}

/** A copy of `body` with another value at a place, or none; a dot leads inwards, but for those of the protocol's names. */
function changed(body: Json, path: string, value: unknown): string {
  const copy = structuredClone(body)
  const at = path.indexOf(META)
  const steps = at === -1 ? path.split('.') : [...path.slice(0, at - 1).split('.'), path.slice(at)]
  const last = steps.pop()!
  let place = copy
  for (const step of steps) place = place[step] as Json
  if (value === undefined) delete place[last]
  // Not assigned, which would set the prototype for one of the names.
  else Object.defineProperty(place, last, { value, enumerable: true, configurable: true, writable: true })
  return JSON.stringify(copy)
}

function* brokenEnvelopes(era: Era): Generator<Case> {
  const name = 'send_message'
  const body = callOf(era, name, { ...mail, message: 'mutant' })
  const headers = headersOf(era, name)
  const places = ['jsonrpc', 'id', 'method', 'params', 'params.name', 'params.arguments', 'params._meta']
  if (era === '2026')
    for (const member of ['protocolVersion', 'clientInfo', 'clientCapabilities'])
      places.push(`params._meta.${META}${member}`)
  for (const path of places)
    for (const value of [undefined, ...VALUES])
      yield {
        what: `${path} = ${JSON.stringify(value)}`,
        era,
        headers,
        body: changed(body, path, value),
        plain:
          (PLAIN_VALUES[path] ?? []).some((fine) => Bun.deepEquals(fine, value)) ||
          (era === '2025' && path === 'params._meta' && value === undefined),
      }
  for (const level of ['', 'params.', ...(era === '2026' ? ['params._meta.'] : [])])
    for (const member of UNUSUAL_MEMBERS)
      for (const value of ['x', {}])
        yield {
          what: `${level}${member} added, ${JSON.stringify(value)}`,
          era,
          headers,
          body: changed(body, `${level}${member}`, value),
          plain: false,
        }
}

/** Bodies that cannot be made by changing one value, with whether they are plain. */
function* oddBodies(era: Era): Generator<Case> {
  const name = 'list_sessions'
  const call = JSON.stringify(callOf(era, name, {}))
  const withId = (id: string) => call.replace('"id":1', `"id":${id}`)
  const bodies: [string, boolean][] = [
    ...['-1', '-0', '1e3', '9007199254740991', '"\\ud800"', '"1"', `"${'i'.repeat(5000)}"`].map(
      (id): [string, boolean] => [withId(id), true],
    ),
    ...['1e21', '1e400', '9007199254740993', '-1.5', '[1]', '{}'].map((id): [string, boolean] => [
      withId(id),
      false,
    ]),
    [withId('7,"id":8'), true],
    [`\n ${call}\t`, true],
    [call.replace('"arguments":{}', '"arguments":{"__proto__":{"client_id":"x"}}'), false],
    [call.replace('"arguments":{}', '"arguments":{"constructor":1}'), true],
    [call.replace('"arguments":{}', '"arguments":{"toString":null,"a":1}'), true],
    ...[100, 200, 5000].map((depth): [string, boolean] => [
      call.replace('"arguments":{}', `"arguments":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`),
      depth === 100,
    ]),
    ['[]', false],
    ['[null]', false],
    [`[${call}]`, false],
    [`[${call},${withId('2')}]`, false],
    [`[${call},${call}]`, false],
    ['null', false],
    ['7', false],
    ['"tools/call"', false],
    ['{}', false],
    ['', false],
    [call.slice(0, -1), false],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', false],
    ['{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}', false],
    ...['tools/list', 'ping', 'tools/Call', 'constructor', 'logging/setLevel'].map(
      (method): [string, boolean] => [call.replace('tools/call', method), false],
    ),
  ]
  for (const [body, plain] of bodies)
    yield { what: `body ${body.slice(0, 60)}`, era, headers: headersOf(era, name), body, plain }
  for (const other of [
    'no_such',
    'list_session',
    'List_Sessions',
    '__proto__',
    'constructor',
    ' list_sessions',
  ])
    yield {
      what: `tool ${other}`,
      era,
      headers: headersOf(era, other),
      body: JSON.stringify(callOf(era, other, {})),
      plain: false,
    }
}

/** Values of each header, with whether the call stays plain. */
const HEADERS: Readonly<
  Record<Era, Readonly<Record<string, readonly (readonly [string | undefined, boolean])[]>>>
> = {
  '2025': {
    'mcp-protocol-version': [
      ['2025-06-18', true],
      ['2025-03-26', true],
      ['2024-11-05', false],
      ['2026-07-28', false],
      ['1999-01-01', false],
      ['2025-11-25, 2025-11-25', false],
      ['', false],
    ],
    'mcp-method': [['tools/list', true]],
    'mcp-name': [['get_messages', true]],
    // Whose session it is, and whether there is one, is looked at before the lane is chosen.
    'mcp-session-id': [
      ['none', true],
      ['__proto__', true],
      ['', true],
    ],
  },
  '2026': {
    'mcp-protocol-version': [
      [undefined, false],
      [' 2026-07-28 ', true],
      ['2025-11-25', false],
      ['2027-01-01', false],
      ['2026-07-28, 2026-07-28', false],
      ['', false],
    ],
    'mcp-method': [
      [undefined, false],
      ['tools/list', false],
      ['TOOLS/CALL', false],
      ['tools/call, tools/call', false],
      ['=?base64?dG9vbHMvY2FsbA==?=', false],
      ['', false],
    ],
    'mcp-name': [
      [undefined, false],
      ['get_messages', false],
      ['LIST_SESSIONS', false],
      ['  list_sessions', true],
      ['list_sessions, list_sessions', false],
      ['=?base64?bGlzdF9zZXNzaW9ucw==?=', false],
      ['=?base64?bGlzdF9zZXNzaW9ucw?=', false],
      ['=?base64?Z2V0X21lc3NhZ2Vz?=', false],
      ['', false],
    ],
    'mcp-session-id': [['none', true]],
    'mcp-param-status': [['active', true]],
  },
}

const COMMON_HEADERS: Readonly<Record<string, readonly (readonly [string | undefined, boolean])[]>> = {
  accept: [
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/event-stream', false],
    ['text/event-stream,application/json', true],
    ['application/json;q=0.5, text/event-stream', true],
    ['APPLICATION/JSON, TEXT/EVENT-STREAM', false],
    ['', false],
  ],
  'content-type': [
    [undefined, false],
    ['text/plain', false],
    ['Application/JSON', false],
    ['application/json; charset=utf-8', false],
    ['application/json; charset=latin1', false],
    ['application/problem+json', false],
    ['application/json, application/json', false],
  ],
  'x-project-id': [
    ['default', true],
    ['other', false],
  ],
  'last-event-id': [['x', true]],
  origin: [
    ['http://localhost:1', true],
    ['https://evil.example', false],
  ],
  host: [['evil.example', false]],
  'content-encoding': [['gzip', false]],
}

function* oddHeaders(era: Era): Generator<Case> {
  const name = 'list_sessions'
  const body = JSON.stringify(callOf(era, name, {}))
  for (const [header, values] of Object.entries({ ...COMMON_HEADERS, ...HEADERS[era] }))
    for (const [value, plain] of values) {
      const headers = headersOf(era, name)
      if (value === undefined) delete headers[header]
      else headers[header] = value
      yield { what: `${header}: ${value}`, era, headers, body, plain }
    }
}

/** Every request, in an order that makes sense to a broker. */
export function corpus(): Case[] {
  return ERAS.flatMap((era) => [
    ...validCalls(era),
    ...brokenEnvelopes(era),
    ...oddBodies(era),
    ...oddHeaders(era),
  ]).map((one) => ({ ...one, what: `${one.era} ${one.what}` }))
}

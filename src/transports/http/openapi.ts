import type { TObject, TSchema } from '@sinclair/typebox'
import { version } from '../../../package.json'
import { type Command, describe } from '../../broker/command.ts'
import { MessageSchema, SessionSchema } from '../../broker/commands/schema.ts'
import { ERRORS, type ErrorCode, type ErrorEntry } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { EVENTS_PATH, EventsInput } from '../events.ts'
import { problemType } from '../problem.ts'
import { BACKUP_PATH } from './backup.ts'

/** A JSON object of any content. */
type Json = Record<string, unknown>

/** The parts of an OpenAPI 3.1 document that are written here. */
export interface OpenApi {
  readonly openapi: '3.1.1'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly security: readonly Json[]
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: {
    readonly schemas: Record<string, Json>
    readonly responses: Record<string, Json>
    readonly securitySchemes: Record<string, Json>
  }
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: readonly string[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: Json
  readonly responses: Record<string, Json>
  /** Present where no key is needed. */
  readonly security?: readonly Json[]
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}

/** The HTTP door of a broker with these limits in OpenAPI 3.1; operations are named like their commands. */
export function openApi(commands: readonly Command[], limits: Limits): OpenApi {
  const paths: OpenApi['paths'] = {}
  for (const command of commands) {
    paths[command.http.path] ??= {}
    paths[command.http.path]![command.http.method.toLowerCase()] = commandOperation(command, limits)
  }
  Object.assign(paths, otherPaths())
  return {
    openapi: '3.1.1',
    info: {
      title: 'mcp-broker',
      version,
      description:
        'The message broker for AI agents. The same commands are MCP tools at /mcp and JSON-RPC methods at /v1/ws. ' +
        'A client is an address (client_id); whoever calls over HTTP names its own address as sender_id when sending ' +
        'and in the path when reading.',
    },
    // Relative to the document's own URL: a broker may have many names.
    servers: [{ url: '/' }],
    security: [{}, { bearer: [] }, { api_key: [] }],
    paths,
    components: {
      schemas: { Message: plain(MessageSchema), Session: plain(SessionSchema), Problem: problemSchema() },
      responses: problemResponses(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Needed where the broker has keys.' },
        api_key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

function commandOperation(command: Command, limits: Limits): Operation {
  const { http, input, output, scope, waits } = command
  const in_path = pathNames(http.path)
  const required = new Set(input.required ?? [])
  const others = Object.entries(input.properties).filter(([name]) => !in_path.includes(name))
  const by_body = http.method === 'POST'
  const waiting = waits ? ` The answer may take as long as ${waits} says.` : ''
  return {
    operationId: command.name,
    summary: command.summary,
    description: `${describe(command, limits)}${waiting} Needs the scope ${scope}.`,
    tags: [tagOf(http.path)],
    parameters: [
      ...in_path.map((name) => parameter('path', name, input, true)),
      ...(by_body ? [] : others.map(([name]) => parameter('query', name, input, required.has(name)))),
      PROJECT_PARAMETER,
    ],
    ...(by_body && others.length > 0 ? { requestBody: requestBody(input, others, required) } : {}),
    responses: {
      [String(http.status ?? 200)]: {
        description: 'Done.',
        content: { 'application/json': { schema: plain(output) } },
      },
      ...PROBLEM_REFERENCES,
    },
  }
}

const CORRELATION_HEADER = {
  'x-correlation-id': { description: 'Names this error in the log.', schema: { type: 'string' } },
}

const PROJECT_PARAMETER: Parameter = {
  name: 'X-Project-ID',
  in: 'header',
  required: false,
  description: 'The project, where the key does not say it.',
  schema: { type: 'string' },
}

function parameter(place: 'path' | 'query', name: string, input: TObject, required: boolean): Parameter {
  const { description, ...schema } = plain(input.properties[name]!)
  return {
    name,
    in: place,
    required,
    ...(typeof description === 'string' ? { description } : {}),
    schema,
  }
}

function requestBody(
  input: TObject,
  properties: readonly [string, TSchema][],
  required: ReadonlySet<string>,
): Json {
  const names = properties.map(([name]) => name).filter((name) => required.has(name))
  const schema = {
    ...plain(input),
    properties: Object.fromEntries(properties.map(([name, schema]) => [name, plain(schema)])),
    required: names,
  }
  return { required: names.length > 0, content: { 'application/json': { schema } } }
}

function pathNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
}

/** The tag of a path: `dead letters` for `/v1/dead-letters/requeue`. */
function tagOf(path: string): string {
  return path.split('/')[2]!.replaceAll('-', ' ')
}

const NAMED: ReadonlyMap<string, string> = new Map([
  [JSON.stringify(MessageSchema), 'Message'],
  [JSON.stringify(SessionSchema), 'Session'],
])

/** A TypeBox schema as plain JSON Schema, with references in place of the named schemas inside it. */
function plain(schema: TSchema): Json {
  const named = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(named)
    const name = value === schema ? undefined : NAMED.get(JSON.stringify(value))
    if (name !== undefined) return reference('schemas', name)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, named(inner)]))
  }
  return named(schema) as Json
}

function reference(kind: 'schemas' | 'responses', name: string): Json {
  return { $ref: `#/components/${kind}/${name}` }
}

const CATALOGUE: readonly [ErrorCode, ErrorEntry][] = Object.entries(ERRORS) as [ErrorCode, ErrorEntry][]
const STATUSES = [...new Set(CATALOGUE.map(([, { http_status }]) => http_status))].sort((a, b) => a - b)
const PROBLEM_REFERENCES: Record<string, Json> = Object.fromEntries(
  STATUSES.map((status) => [String(status), reference('responses', `Problem${status}`)]),
)

function problemSchema(): Json {
  return {
    type: 'object',
    description: 'Problem details, RFC 9457, with the members that every door gives beside them.',
    required: ['type', 'title', 'status', 'detail', 'code', 'retryable', 'next', 'correlation_id'],
    properties: {
      type: { type: 'string', format: 'uri', description: 'names the code as a URI' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'this case in one sentence' },
      code: { type: 'string', enum: CATALOGUE.map(([code]) => code) },
      retryable: { type: 'boolean', description: 'whether the same request can succeed later' },
      next: { type: 'string', description: 'what to do about it' },
      field: { type: 'string', description: 'JSON pointer of the parameter that is wrong' },
      retry_after_ms: { type: 'integer', minimum: 0 },
      correlation_id: { type: 'string' },
    },
  }
}

/** One response for each status, with an example for each error that has it. */
function problemResponses(): Record<string, Json> {
  return Object.fromEntries(
    STATUSES.map((status) => {
      const entries = CATALOGUE.filter(([, entry]) => entry.http_status === status)
      const examples = entries.map(([code, { title, retryable, next }]) => {
        const value = { type: problemType(code), title, status, code, detail: title, retryable, next }
        return [code, { value: { ...value, correlation_id: 'AaH8Bc…' } }]
      })
      const retries = entries.some(([, { retryable }]) => retryable)
      return [
        `Problem${status}`,
        {
          description: entries.map(([code, { title }]) => `\`${code}\`: ${title}`).join('\n\n'),
          headers: {
            ...CORRELATION_HEADER,
            ...(retries ? { 'retry-after': { description: 'seconds', schema: { type: 'integer' } } } : {}),
          },
          content: {
            'application/problem+json': {
              schema: reference('schemas', 'Problem'),
              examples: Object.fromEntries(examples),
            },
          },
        },
      ]
    }),
  )
}

function otherPaths(): OpenApi['paths'] {
  const names = Object.keys(EventsInput.properties).filter((name) => name !== 'client_id')
  return {
    [EVENTS_PATH]: {
      get: {
        operationId: 'events',
        summary: 'Read a mailbox as an event stream.',
        description:
          'Server-sent events: first recovery ({recovered, cursor, unread, session_id}), then message ({cursor, ' +
          'message}), receipt and session if asked for, and close (an error) before the broker ends it. The id of an ' +
          'event is the cursor to resume from. Needs the scope read.',
        tags: ['mailboxes'],
        parameters: [
          parameter('path', 'client_id', EventsInput, true),
          ...names.map((name) => parameter('query', name, EventsInput, false)),
          {
            name: 'Last-Event-ID',
            in: 'header',
            required: false,
            description: 'resumes after this cursor; goes before the parameter after',
            schema: { type: 'string' },
          },
          PROJECT_PARAMETER,
        ],
        responses: {
          '200': { description: 'The stream.', content: { 'text/event-stream': { schema: TEXT } } },
          ...PROBLEM_REFERENCES,
        },
      },
    },
    '/health/live': { get: page('live', 'Whether the process answers.', ['application/json'], true) },
    '/health/ready': {
      get: page(
        'ready',
        'Whether a message can be stored and announced; 503 if not.',
        ['application/json'],
        true,
      ),
    },
    '/metrics': { get: page('metrics', 'Metrics for Prometheus.', ['text/plain']) },
    '/v1/status': {
      get: page('status', 'The state of the broker, for people.', [
        'text/plain',
        'text/html',
        'application/json',
      ]),
    },
    [BACKUP_PATH]: {
      post: {
        operationId: 'backup',
        summary: 'Take a copy of all that is stored.',
        description:
          'A tar archive, consistent as of one moment, which "mcp-broker restore" takes. It is whole if it ends with ' +
          'manifest.json, which has the size and CRC-32 of each file. Needs the scope admin.',
        tags: ['operation'],
        parameters: [],
        responses: {
          '200': {
            description: 'The archive.',
            content: { 'application/x-tar': {} },
          },
          ...PROBLEM_REFERENCES,
        },
      },
    },
    '/openapi': { get: page('openapi', 'This document.', ['application/json', 'text/html']) },
  }
}

const TEXT = { type: 'string' }

function page(operationId: string, summary: string, types: readonly string[], open = false): Operation {
  const content = types.map((type) => [
    type,
    { schema: type === 'application/json' ? { type: 'object' } : TEXT },
  ])
  const ok = { description: summary, content: Object.fromEntries(content) }
  return {
    operationId,
    summary,
    description: open ? 'Needs no key.' : '',
    tags: ['operation'],
    parameters: [],
    responses: {
      '200': ok,
      ...(operationId === 'ready' ? { '503': { ...ok, description: 'Not ready; detail says why.' } } : {}),
      ...(open ? {} : PROBLEM_REFERENCES),
    },
    ...(open ? { security: [] } : {}),
  }
}

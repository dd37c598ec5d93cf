import {
  Kind,
  type ObjectOptions,
  type SchemaOptions,
  type Static,
  type TProperties,
  type TSchema,
  Type,
  TypeRegistry,
} from '@sinclair/typebox'
import { BrokerError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Delivery } from '../../core/mailbox/entry.ts'
import { formatTime, type Message, parseMessage } from '../../core/message.ts'
import { checkRange } from '../../core/protocol/versions.ts'
import { type CapabilityFilter, type Session, sessionStatus } from '../../core/session.ts'

/** The member for a shorter description, for lists of tools: each word there costs a model context. */
export const BRIEF = Symbol('brief')

export function briefly<T extends TSchema>(brief: string, schema: T): T {
  return { ...schema, [BRIEF]: brief }
}

/** Leaves the members of a parameter, or a whole member of an output, out of lists of tools. */
export const UNLISTED = Symbol('unlisted')

export function unlisted<T extends TSchema>(schema: T): T {
  return { ...schema, [UNLISTED]: true }
}

/** An input, or an object within one: unknown names are refused. */
export function closed<P extends TProperties>(properties: P) {
  return Type.Object(properties, { additionalProperties: false })
}

/** An object with any names. {@link checkNames} bounds the names that callers choose. */
export function named<V extends TSchema>(value: V, options: ObjectOptions = {}) {
  return Type.Unsafe<Record<string, Static<V>>>(Type.Object({}, { ...options, additionalProperties: value }))
}

const NAME_CHARS_MAX = 128

/**
 * Bounds the length of names in code: a pattern for names does not mean the same to all readers of a schema.
 *
 * @throws BrokerError `invalid_params`
 */
export function checkNames(path: string, object: object | undefined): void {
  for (const name in object)
    if (name.length === 0 || name.length > NAME_CHARS_MAX)
      throw new BrokerError('invalid_params', {
        field: `/${path}`,
        detail: `A name in ${path} has ${name.length} characters; each has 1 to ${NAME_CHARS_MAX}.`,
      })
}

/** One word of several, published as `enum`: not all model providers take `anyOf` and `const`. */
export function choice<const W extends string>(words: readonly W[], options: SchemaOptions = {}) {
  return Type.Unsafe<W>({ ...options, [Kind]: CHOICE, type: 'string', enum: words })
}

const CHOICE = 'Choice'
TypeRegistry.Set<{ enum: readonly unknown[] }>(CHOICE, (schema, value) => schema.enum.includes(value))

/**
 * This schema has no type: some model providers refuse a list of types, and others refuse each alternative
 * to it. The description names the types instead, because some models take a value without a type for a
 * text.
 */
export const AnyJson = briefly(
  'any JSON value, such as an object; not JSON as a text',
  Type.Unknown({
    description:
      'any JSON value, not JSON written as a text: an object, a list, a text, a number, true, false or null. A whole number ' +
      'beyond 9007199254740991, which not every reader can hold, is refused: write it as a text',
  }),
)

export const ClientId = briefly(
  'an address, such as "frontend"',
  Type.String({
    pattern: '^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$',
    description: 'an address such as "frontend": letters, digits and . _ : @ -, at most 128 characters',
  }),
)

export const RecipientId = briefly(
  'whom it is for: a client_id or session_id',
  Type.String({
    pattern: '^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$',
    description:
      'whom it is for: a client_id or a session_id (letters, digits and . _ : @ -, at most 128 characters)',
  }),
)

export const ProtocolName = briefly(
  'such as "chat"',
  Type.String({
    pattern: '^[a-z][a-z0-9_]{0,62}[a-z0-9]$',
    description: 'a name such as "file_lease": 2 to 64 of a-z, 0-9 and _, a letter first, no _ at the end',
  }),
)

export const ProtocolVersionText = briefly(
  'semver, such as "1.2.0"',
  Type.String({ minLength: 1, maxLength: 64, description: 'a semver version, such as "1.2.0"' }),
)

export const SessionId = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'a session_id from checkin_client',
})

export const MessageIds = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
  maxItems: 10_000,
  description: 'message_id of each message; left out: all that are leased',
})

export const CursorText = Type.String({
  maxLength: 64,
  description: 'a cursor as the broker gave it, such as "k3f9:17"',
})

export const CapabilitiesSchema = closed({
  protocols: Type.Optional(
    named(Type.String({ maxLength: 128 }), {
      maxProperties: 64,
      description: 'protocol name to the semver range spoken, such as {"chat": "^1.0.0"}',
    }),
  ),
  features: Type.Optional(
    Type.Array(Type.String({ maxLength: 128 }), {
      maxItems: 100,
      description: 'free words, such as "review"',
    }),
  ),
})

/** The size of one answer when the caller names none: a model's context window is limited. */
export const ANSWER_BYTES_DEFAULT = 128 * 1024
const ANSWER_BYTES_MAX = 1024 * 1024

export const BytesMax = Type.Integer({
  minimum: 1,
  maximum: ANSWER_BYTES_MAX,
  description: `stop before the answer grows past this (${ANSWER_BYTES_DEFAULT}); the first message always comes`,
})

/** How long a question waits when the caller does not say. Most clients give up on a call after 60 s. */
export const WAIT_SECONDS_DEFAULT = 50

const Names = Type.Array(Type.String({ maxLength: 128 }), { maxItems: 100 })

export const CapabilityFilterSchema = briefly(
  'only clients which offer all of these',
  Type.Union(
    [
      Type.String({ maxLength: 128 }),
      Names,
      closed({
        features: Type.Optional(Names),
        protocols: Type.Optional(
          Type.Union([Names, named(Type.String({ maxLength: 128 }), { maxProperties: 64 })]),
        ),
      }),
    ],
    {
      description:
        'only clients which offer all of these: a feature, a list of features, or {features, protocols}; protocols are ' +
        'names, or {name: range}',
    },
  ),
)

/** The filter in its full form. @throws BrokerError `invalid_params` for a range that is none */
export function capabilityFilter(
  filter: Static<typeof CapabilityFilterSchema> | undefined,
): CapabilityFilter {
  if (filter === undefined) return {}
  if (typeof filter === 'string') return { features: [filter] }
  if (Array.isArray(filter)) return { features: filter }
  if (!Array.isArray(filter.protocols)) checkRanges('capability_filter/protocols', filter.protocols)
  return filter
}

/** Checks an object of semver ranges by protocol name. @throws BrokerError `invalid_params` */
export function checkRanges(path: string, ranges: Readonly<Record<string, string>> | undefined): void {
  checkNames(path, ranges)
  for (const name in ranges) checkRange(ranges[name]!, `/${path}/${name}`)
}

export const PrioritySchema = briefly(
  'normal if left out; higher go first',
  choice(['low', 'normal', 'high', 'urgent'], {
    description: 'low, normal (the default), high or urgent: higher pending messages go first',
  }),
)

export const AdaptedFromSchema = Type.Object(
  { version: Type.String(), steps: Type.Array(Type.String()) },
  { description: 'the version that its sender wrote, and the steps from there to protocol_version' },
)

export const MessageSchema = Type.Object(
  {
    message_id: Type.String(),
    sender_id: Type.String(),
    recipient_id: Type.Optional(Type.String({ description: 'absent on a broadcast' })),
    payload: AnyJson,
    sent_at: Type.String({ description: 'RFC 3339 with milliseconds' }),
    headers: Type.Optional(named(Type.String())),
    priority: Type.Optional(PrioritySchema),
    expires_at: Type.Optional(
      Type.String({ description: 'RFC 3339; left out where the time to live is the default' }),
    ),
    attempt: Type.Optional(
      Type.Integer({ description: 'which delivery this is, from 2 up; left out at the first' }),
    ),
    in_reply_to: Type.Optional(Type.String()),
    protocol_name: Type.Optional(Type.String()),
    protocol_version: Type.Optional(Type.String()),
    adapted_from: Type.Optional(AdaptedFromSchema),
    broadcast: Type.Optional(Type.Unsafe<true>(Type.Boolean())),
  },
  { description: 'a message; members at their default are left out' },
)

export const SessionSchema = Type.Object({
  session_id: Type.String(),
  client_id: Type.String(),
  name: Type.Optional(Type.String()),
  status: choice(['active', 'stale', 'disconnected']),
  capabilities: CapabilitiesSchema,
  created_at: Type.String(),
  last_seen_at: Type.String(),
})

export function sessionView(session: Session, now: number, limits: Limits): Static<typeof SessionSchema> {
  const { session_id, client_id, name, capabilities, created_ms, last_seen_ms } = session
  return {
    session_id,
    client_id,
    ...(name === undefined ? {} : { name }),
    status: sessionStatus(session, now, limits),
    capabilities,
    created_at: formatTime(created_ms),
    last_seen_at: formatTime(last_seen_ms),
  }
}

export function messagesOf(deliveries: readonly Delivery[]): Message[] {
  return deliveries.map(({ message, attempt }) => parseMessage(message, attempt))
}

/** "90 s", "5 min". */
export function duration(seconds: number): string {
  return seconds >= 120 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}

/** "just now", "40 s ago", "3 min ago". */
export function ago(time: string, now: number): string {
  const seconds = Math.round((now - Date.parse(time)) / 1000)
  if (seconds < 2) return 'just now'
  if (seconds < 120) return `${seconds} s ago`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`
}

/**
 * Messages as Markdown for a model to read, with whole payloads. Text from a sender is quoted or written as
 * JSON, so that it cannot look like another message, or like the broker's own words.
 */
export function messagesText(messages: readonly Message[], now: number): string {
  return messages.map((message) => messageText(message, now)).join('\n\n')
}

function messageText(message: Message, now: number): string {
  const notes = [ago(message.sent_at, now)]
  if (message.priority) notes.push(message.priority)
  if (message.broadcast) notes.push('broadcast')
  if (message.attempt) notes.push(`attempt ${message.attempt}`)
  if (message.protocol_name)
    notes.push(`protocol ${inline(message.protocol_name)} ${inline(message.protocol_version ?? '')}`.trim())
  if (message.adapted_from) notes.push(`adapted from ${inline(message.adapted_from.version)}`)
  const reply = message.in_reply_to ? `, in reply to \`${inline(message.in_reply_to)}\`` : ''
  const head = `**From ${message.sender_id}** (${notes.join(', ')}), id \`${message.message_id}\`${reply}`
  const headers = message.headers ? `\nheaders: ${oneLine(JSON.stringify(message.headers))}` : ''
  const { payload } = message
  return `${head}${headers}\n${typeof payload === 'string' ? quoted(payload) : jsonBlock(payload)}`
}

/** Everything that some reader takes for the end of a line. */
const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/

/** Text as a quotation, which no line of it can leave. */
export function quoted(text: string): string {
  return text
    .split(LINE_END)
    .map((line) => `> ${line}`)
    .join('\n')
}

/** A few words from a client, for use within a line: unchanged if they are harmless, else as JSON. */
export function inline(text: string): string {
  return /^[\p{L}\p{N} ._:@/+#-]*$/u.test(text)
    ? text
    : oneLine(JSON.stringify(text)).replaceAll('`', '\\u0060')
}

/** A sentence from others within a text: no line end, no control character, no end of a code span. */
export function sentence(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029]/gu, '\u{fffd}').replaceAll('`', "'")
}

/** JSON in one line: escapes the line ends that JSON allows in a string unescaped. */
function oneLine(json: string): string {
  return json.replace(
    /[\u0085\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Longer JSON is not indented: indentation would make deeply nested JSON many times larger. */
const INDENTED_CHARS_MAX = 4096

function jsonBlock(value: unknown): string {
  const json = oneLine(JSON.stringify(value))
  const pretty = json.length > INDENTED_CHARS_MAX ? json : oneLine(JSON.stringify(value, null, 2))
  return `\`\`\`json\n${pretty.length > 2 * json.length ? json : pretty}\n\`\`\``
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** Lowest first, so that the index is the rank. */
export const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const
export type Priority = (typeof PRIORITIES)[number]
/** Index into {@link PRIORITIES}; 1 is `normal`, the default. */
export type Rank = 0 | 1 | 2 | 3
export const RANK_DEFAULT: Rank = 1

/** The address that bounces come from; no client can check in under it. */
export const BROKER_CLIENT_ID = 'mcp-broker'

/** What a message was before it was adapted: its sender's version, and the steps, such as "1.2.0→2.0.0". */
export interface AdaptedFrom {
  version: string
  steps: string[]
}

/** A message as every wire shows it. Members at their default are left out. */
export interface Message {
  message_id: string
  sender_id: string
  /** Absent on a broadcast. */
  recipient_id?: string
  payload: unknown
  /** RFC 3339, UTC, milliseconds. */
  sent_at: string
  headers?: Record<string, string>
  priority?: Priority
  /** RFC 3339, UTC, milliseconds; left out when the time to live is the default. */
  expires_at?: string
  /** Which delivery this is, from 2 up; left out at the first. */
  attempt?: number
  in_reply_to?: string
  protocol_name?: string
  protocol_version?: string
  /** The payload was sent in another version of the protocol. */
  adapted_from?: AdaptedFrom
  broadcast?: true
}

/**
 * A message as it is stored: immutable, and encoded once for all mailboxes that hold it and all sockets
 * it goes to. Times are milliseconds since the epoch.
 */
export interface StoredMessage {
  readonly message_id: string
  readonly sender_id: string
  readonly in_reply_to: string | undefined
  readonly rank: Rank
  readonly broadcast: boolean
  readonly sent_ms: number
  readonly expires_ms: number
  /** Time to live, counted from `sent_ms`, or from when the message was requeued from the dead letters. */
  readonly ttl_ms: number
  /** {@link Message} as JSON, without `attempt`. */
  readonly json: string
  /** Length of `json` in UTF-16 code units, which stands for its size in memory. */
  readonly bytes: number
}

/** What a sender says in a message, as on the wire, already checked. */
export interface Content {
  /** Text, the same as a payload that is a string. Either this or `payload` is given. */
  readonly message?: string | undefined
  readonly payload?: unknown
  readonly headers?: Record<string, string> | undefined
  readonly priority?: Priority | undefined
  readonly ttl_seconds?: number | undefined
  readonly in_reply_to?: string | undefined
  readonly protocol_name?: string | undefined
  readonly protocol_version?: string | undefined
  /** Counts only beside `protocol_version`. Not from the sender: the broker says so of what it adapted. */
  readonly adapted_from?: AdaptedFrom | undefined
}

/** The two times formatted last. Many messages share a millisecond, and one may carry two times. */
let last = { ms: -1, text: '' }
let before = { ms: -1, text: '' }

/** RFC 3339 in UTC with milliseconds. */
export function formatTime(ms: number): string {
  if (ms === last.ms) return last.text
  const found = ms === before.ms ? before : { ms, text: new Date(ms).toISOString() }
  before = last
  last = found
  return found.text
}

/**
 * Makes the stored form of a message. A message is encoded here, once; only {@link renewMessage} and
 * {@link rewriteMessage} do it again.
 *
 * @param recipient_id undefined for a broadcast
 * @param message_id UUIDv7, so that ids sort by time
 * @param now milliseconds since the epoch
 * @param ttl_default seconds; a message with this time to live does not carry `expires_at`
 */
export function createMessage(
  content: Content,
  sender_id: string,
  recipient_id: string | undefined,
  message_id: string,
  now: number,
  ttl_default: number,
): StoredMessage {
  const { headers, priority, ttl_seconds = ttl_default } = content
  const { in_reply_to, protocol_name, protocol_version } = content
  const rank = priority === undefined ? RANK_DEFAULT : (PRIORITIES.indexOf(priority) as Rank)
  const ttl_ms = ttl_seconds * 1000
  const expires_ms = now + ttl_ms
  const message: Message = {
    message_id,
    sender_id,
    payload: content.message ?? content.payload,
    sent_at: formatTime(now),
  }
  if (recipient_id !== undefined) message.recipient_id = recipient_id
  else message.broadcast = true
  if (headers !== undefined) message.headers = headers
  if (rank !== RANK_DEFAULT) message.priority = PRIORITIES[rank]
  if (ttl_seconds !== ttl_default) message.expires_at = formatTime(expires_ms)
  if (in_reply_to !== undefined) message.in_reply_to = in_reply_to
  if (protocol_name !== undefined) message.protocol_name = protocol_name
  if (protocol_version !== undefined) {
    message.protocol_version = protocol_version
    if (content.adapted_from !== undefined) message.adapted_from = content.adapted_from
  }
  const json = JSON.stringify(message)
  return {
    message_id,
    sender_id,
    in_reply_to,
    rank,
    broadcast: recipient_id === undefined,
    sent_ms: now,
    expires_ms,
    ttl_ms,
    json,
    bytes: json.length,
  }
}

/** Every message's JSON begins with this; the id and a quote follow. */
const BEFORE_ID = '{"message_id":"'

/** The `message_id` in a message's JSON, without parsing the rest. */
export function idInJson(json: string): string {
  return json.slice(BEFORE_ID.length, json.indexOf('"', BEFORE_ID.length))
}

/**
 * The stored form of a message, read back from its JSON.
 *
 * @param expires_ms not in the JSON when the time to live is the default
 * @param bytes as counted when it was stored
 */
export function readStored(json: string, expires_ms: number, bytes: number): StoredMessage {
  const { message_id, sender_id, in_reply_to, priority, broadcast, sent_at } = JSON.parse(json) as Message
  const sent_ms = Date.parse(sent_at)
  return {
    message_id,
    sender_id,
    in_reply_to,
    rank: priority === undefined ? RANK_DEFAULT : (PRIORITIES.indexOf(priority) as Rank),
    broadcast: broadcast === true,
    sent_ms,
    expires_ms,
    ttl_ms: expires_ms - sent_ms,
    json,
    bytes,
  }
}

/** The message's JSON with its attempt, the only member that differs between deliveries. */
export function messageJson(message: StoredMessage, attempt: number): string {
  return attempt <= 1 ? message.json : `${message.json.slice(0, -1)},"attempt":${attempt}}`
}

/** The message as an object. */
export function parseMessage(message: StoredMessage, attempt: number): Message {
  return JSON.parse(messageJson(message, attempt)) as Message
}

/**
 * The same message with its time to live counted from `now`, for a dead letter that is requeued. It carries
 * `expires_at`, which no longer follows from `sent_at`.
 */
export function renewMessage(message: StoredMessage, now: number): StoredMessage {
  const expires_ms = now + message.ttl_ms
  const wire = JSON.parse(message.json) as Message
  wire.expires_at = new Date(expires_ms).toISOString()
  const json = JSON.stringify(wire)
  return { ...message, expires_ms, json, bytes: json.length }
}

/** What tells one send from another that says the same. */
export type Issue = Pick<StoredMessage, 'message_id' | 'sent_ms' | 'expires_ms'>

/** The same message as it was sent before, for a send that ended midway and is finished by a repetition. */
export function reissueMessage(
  message: StoredMessage,
  { message_id, sent_ms, expires_ms }: Issue,
): StoredMessage {
  const wire = JSON.parse(message.json) as Message
  wire.message_id = message_id
  wire.sent_at = formatTime(sent_ms)
  if (wire.expires_at !== undefined) wire.expires_at = formatTime(expires_ms)
  return { ...message, message_id, sent_ms, expires_ms, json: JSON.stringify(wire) }
}

/** What becomes of a pending message when its protocol moves on. */
export interface Rewording {
  readonly payload: unknown
  readonly protocol_version: string
  readonly adapted_from: AdaptedFrom
}

/** The same message in another version of its protocol: its id, times, priority and headers stay. */
export function rewriteMessage(message: StoredMessage, changes: Rewording): StoredMessage {
  const { payload, protocol_version, adapted_from } = changes
  const wire = JSON.parse(message.json) as Message
  wire.payload = payload
  wire.protocol_version = protocol_version
  wire.adapted_from = adapted_from
  const json = JSON.stringify(wire)
  return { ...message, json, bytes: json.length }
}

import { type Static, Type } from '@sinclair/typebox'
import { DEFAULT_LIMITS as limits } from '../core/limits.ts'
import { DEFAULT_PROTOCOL_RULES as rules } from '../core/protocol/rules.ts'
import { SCHEMA_BOUNDS as bounds } from '../core/protocol/schema/bounds.ts'

const count = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 1, description })
const atMost = (maximum: number, value: number, description: string) =>
  Type.Integer({ default: value, minimum: 1, maximum, description })
/** Ten years. A longer time is a typing error, and could lie beyond what a date can hold. */
const SECONDS_MAX = 315_360_000
const duration = (value: number, description: string) =>
  Type.Number({ default: value, exclusiveMinimum: 0, maximum: SECONDS_MAX, description })

/**
 * Every setting: its default, type, bounds and meaning. The variables (`MCP_BROKER_` and the name in
 * capitals), the flags (`--` and the name with hyphens), the file's keys, their validation, the reference
 * page and the JSON Schema are all made from it.
 */
export const ConfigSchema = Type.Object(
  {
    host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on.' }),
    port: Type.Integer({
      default: 8123,
      minimum: 0,
      maximum: 65535,
      description: 'Port to listen on; 0 takes a free one.',
    }),
    admin_key: Type.Optional(
      Type.String({
        minLength: 16,
        writeOnly: true,
        description:
          "The operator's key. With it set, every request but health needs a key. Give it by environment, not by flag.",
      }),
    ),
    insecure: Type.Boolean({
      default: false,
      description:
        'Listen on other than a loopback address without keys: anybody who reaches it may do anything.',
    }),
    allowed_hosts: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'Names accepted in the Host header besides loopback names and the host listened on. Listening beyond loopback with none listed, any name is accepted.',
    }),
    allowed_origins: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        "Origins of web pages that may call, besides the broker's own and those of loopback addresses, whatever their port; such as https://tools.example.",
    }),
    log_level: Type.Union(
      ['trace', 'debug', 'info', 'warn', 'error', 'silent'].map((level) => Type.Literal(level)),
      {
        default: 'info',
        description:
          'How much is logged; debug has a line for each request and call: what was asked for, how it ended and how long it took, never what it held.',
      },
    ),
    log_format: Type.Union([Type.Literal('auto'), Type.Literal('json'), Type.Literal('pretty')], {
      default: 'auto',
      description: 'auto: readable in a terminal, JSON otherwise.',
    }),
    data_dir: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'The directory in which messages are kept; it is made if it is not there. Without one they are in memory, and lost with the process.',
      }),
    ),
    journal_sync: Type.Union([Type.Literal('normal'), Type.Literal('full')], {
      default: 'normal',
      description:
        'What is stored before a receipt goes out, in data_dir. normal: the write, which outlives the process; a power cut may take the last second. full: the sync to the disk too, which outlives a power cut.',
    }),
    redis_url: Type.Optional(
      Type.String({
        minLength: 1,
        writeOnly: true,
        description:
          'The Redis in which messages are kept, for several brokers at once: redis://host, redis+sentinel://hosts/master or redis+cluster://hosts, with rediss for TLS; docs/redis.md has all forms. Version 6.2 or later, with the maxmemory-policy noeviction.',
      }),
    ),
    redis_prefix: Type.String({
      maxLength: 64,
      pattern: '^[^\\s{}]*$',
      default: 'mcp-broker:',
      description: 'What all keys and channels in Redis begin with, for a server that others use too.',
    }),
    redis_wait_replicas: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 16,
        description:
          'Replicas of Redis that must have a message before it counts as stored; n outlives a failover with n + 1 replicas. If left out: 1 behind sentinels, and where a master has a replica at the start, else 0.',
      }),
    ),
    redis_ca_file: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'A file with the certificates (PEM) of the authorities that Redis is checked against; the usual ones if left out.',
      }),
    ),
    body_bytes_max: count(1024 * 1024, 'Largest request body or frame, in bytes.'),
    connections_max: count(20_000, 'WebSockets and event streams open at once.'),
    waiting_max: count(10_000, 'Calls waiting for a message at once.'),
    buffer_bytes_max: count(
      4 * 1024 * 1024,
      'Bytes of unread answers one connection may pile up before it is closed.',
    ),
    slow_reader_seconds: duration(5, 'A connection that takes nothing for this long is closed with 3008.'),
    ping_seconds: duration(20, 'A WebSocket that has been quiet for this long is pinged.'),
    pong_seconds: duration(20, 'A ping unanswered for this long closes the WebSocket with 3012.'),
    stream_comment_seconds: duration(15, 'An event stream that has been quiet for this long gets a comment.'),
    mcp_sessions_max: count(10_000, 'MCP sessions of the 2025 era open at once.'),
    mcp_session_idle_seconds: duration(
      1800,
      'An MCP session of the 2025 era is forgotten after this long without a request or stream.',
    ),
    drain_seconds: duration(5, 'How long at most a shutdown spreads the closing of connections over.'),
    mailbox_messages_max: count(limits.mailbox_messages_max, 'Unacknowledged messages one mailbox holds.'),
    mailbox_bytes_max: count(
      limits.mailbox_bytes_max,
      'Bytes of messages one mailbox holds, history included.',
    ),
    history_messages_max: Type.Integer({
      default: limits.history_messages_max,
      minimum: 0,
      description: 'Acknowledged messages one mailbox keeps for replay and resume.',
    }),
    mailbox_overflow: Type.Union([Type.Literal('reject'), Type.Literal('drop_oldest')], {
      default: limits.mailbox_overflow,
      description: 'What a full mailbox does: reject the sender, or drop_oldest into the dead letters.',
    }),
    attempts_max: count(limits.attempts_max, 'Failed deliveries after which a message is dead-lettered.'),
    lease_seconds: duration(
      limits.lease_seconds,
      'How long a message read with manual acknowledgement is leased.',
    ),
    ttl_seconds: duration(limits.ttl_seconds, 'Time to live of a message that does not say.'),
    ttl_seconds_max: duration(limits.ttl_seconds_max, 'Longest time to live a message may ask for.'),
    idempotency_seconds: duration(limits.idempotency_seconds, 'How long an idempotency key is remembered.'),
    idempotency_keys_max: count(limits.idempotency_keys_max, 'Idempotency keys remembered for one client.'),
    clients_max: count(
      limits.clients_max,
      'Addresses in one project; when there is no place, one goes that nobody holds and nothing is stored for.',
    ),
    stored_bytes_max: count(
      limits.stored_bytes_max,
      'Bytes of messages in the whole broker: a byte for each character of JSON. Text with characters beyond Latin-1 takes twice that in memory, and keeping a message about 800 bytes more, which are not counted.',
    ),
    dead_letters_max: count(limits.dead_letters_max, 'Dead letters kept in one project.'),
    dead_letters_bytes_max: count(
      limits.dead_letters_bytes_max,
      'Bytes of dead letters kept in one project.',
    ),
    stale_seconds: duration(
      limits.stale_seconds,
      'Without an open connection, a waiting call or another sign of life for this long a session is stale.',
    ),
    disconnected_seconds: duration(
      limits.disconnected_seconds,
      'Without an open connection, a waiting call or another sign of life for this long a session is disconnected.',
    ),
    forget_seconds: duration(
      limits.forget_seconds,
      'A disconnected client with an empty mailbox is forgotten after this long.',
    ),
    protocol_mode: Type.Union([Type.Literal('open'), Type.Literal('registered'), Type.Literal('required')], {
      default: rules.protocol_mode,
      description:
        'open: a message may name a protocol or version that is not registered, and its sender is warned; registered: what it names must be registered; required: and each message names one.',
    }),
    protocols: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'A folder of protocol definitions, or one file, JSON or YAML, that are registered at the start, in the project "default".',
      }),
    ),
    protocols_builtin: Type.Boolean({
      default: rules.protocols_builtin,
      description:
        'Whether the ready protocols chat, task and file_lease are there, in projects that have not registered these names themselves.',
    }),
    protocols_max: count(rules.protocols_max, 'Protocol versions registered in one project.'),
    protocols_bytes_max: count(
      rules.protocols_bytes_max,
      'Bytes of all protocol definitions of one project, as JSON.',
    ),
    schema_bytes_max: count(bounds.bytes_max, 'Largest schema of a protocol, in bytes of JSON.'),
    schema_depth_max: atMost(64, bounds.depth_max, 'How deeply the parts of a schema may be nested.'),
    schema_parts_max: count(bounds.subschemas_max, 'Schemas within one schema, itself included.'),
    schema_refs_max: count(bounds.references_max, 'References within one schema.'),
    schema_enum_max: count(bounds.enum_max, 'Values in one enum of a schema.'),
    pattern_chars_max: count(bounds.pattern_chars_max, 'Longest pattern in a schema, in characters.'),
    pattern_repeat_max: atMost(1000, bounds.repeat_max, 'Highest count in a pattern, such as {1,1000}.'),
  },
  { additionalProperties: false },
)

/** The settings, complete and checked. */
export type Config = Static<typeof ConfigSchema>

/**
 * The bounds on messages, mailboxes and sessions, each with its unit last in the name. The defaults are
 * {@link DEFAULT_LIMITS}; `config/schema.ts` takes them from there.
 */
export interface Limits {
  /** Unacknowledged messages that one mailbox holds. */
  readonly mailbox_messages_max: number
  /** Bytes of message JSON that one mailbox holds, history included. */
  readonly mailbox_bytes_max: number
  /** Acknowledged messages that one mailbox keeps for replay and resume. */
  readonly history_messages_max: number
  /** What a full mailbox does: refuse the sender, or move its oldest message to the dead letters. */
  readonly mailbox_overflow: 'reject' | 'drop_oldest'
  /** Failed deliveries after which a message is dead-lettered. */
  readonly attempts_max: number
  /** How long the lease on a message lasts that was read with manual acknowledgement. */
  readonly lease_seconds: number
  /** Time to live of a message that names none. */
  readonly ttl_seconds: number
  /** Longest time to live that a message may ask for. */
  readonly ttl_seconds_max: number
  /** How long an idempotency key is remembered. */
  readonly idempotency_seconds: number
  /** Idempotency keys remembered for one client. */
  readonly idempotency_keys_max: number
  /** Addresses in one project. */
  readonly clients_max: number
  /** Bytes in the whole engine: messages, history, dead letters and idempotency keys. */
  readonly stored_bytes_max: number
  /** Dead letters kept in one project; past it the oldest is dropped. */
  readonly dead_letters_max: number
  /** Bytes of dead letters kept in one project. */
  readonly dead_letters_bytes_max: number
  /**
   * A session is stale after this long without an open connection, a waiting call or another sign of
   * life.
   */
  readonly stale_seconds: number
  /** A session counts as disconnected after this long without any of these. */
  readonly disconnected_seconds: number
  /** An address that nothing is stored for is forgotten this long after its last sign of life. */
  readonly forget_seconds: number
}

export const DEFAULT_LIMITS: Limits = {
  mailbox_messages_max: 1024,
  mailbox_bytes_max: 8 * 1024 * 1024,
  history_messages_max: 1024,
  mailbox_overflow: 'reject',
  attempts_max: 5,
  lease_seconds: 60,
  ttl_seconds: 300,
  ttl_seconds_max: 30 * 24 * 3600,
  idempotency_seconds: 600,
  idempotency_keys_max: 1024,
  clients_max: 100_000,
  stored_bytes_max: 256 * 1024 * 1024,
  dead_letters_max: 10_000,
  dead_letters_bytes_max: 32 * 1024 * 1024,
  stale_seconds: 300,
  disconnected_seconds: 1800,
  forget_seconds: 24 * 3600,
}

import type { MailboxEffects } from '../../../core/mailbox/effects.ts'
import { ACKED, type Entry } from '../../../core/mailbox/entry.ts'
import type { Client } from '../../memory/client.ts'
import { KIND } from './kinds.ts'

/** Writes down the changes to mailboxes. */
export interface Writing {
  /** What is written has to be synced before it is answered, under `full`. */
  must_sync: boolean
  /** One change to one message, which may prolong the change before. */
  run(kind: number, number: number, offset: number, times: number, ms: number, mark: number): void
  /** A message with all its state, anew. */
  message(log: AddressLog, entry: Entry): void
}

/** Messages of one mailbox whose newest record is in one segment: all retained ones between two offsets. */
export interface Span {
  readonly log: AddressLog
  readonly from: number
  through: number
}

/** A dead letter whose message is in the log as it was in the mailbox. */
export interface Death {
  readonly number: number
  readonly offset: number
}

/** What the log has of one address, and who writes down the changes to its mailbox. */
export class AddressLog implements MailboxEffects {
  /** Segment with its latest address record, and what that says. */
  segment = 0
  said_last = 0
  said_evicted = 0
  /** The highest offset whose message was ever written. */
  highest = 0
  /** The messages in the segment that they went to last. */
  span: Span | undefined
  span_segment = 0
  /** Its dead letters that the log has as deaths, and not whole. */
  deaths: Death[] = []

  constructor(
    private readonly writing: Writing,
    /** Names the address in the log. */
    readonly number: number,
    /** Undefined when the address is no more, and while the log is read. */
    public client?: Client | undefined,
  ) {}

  /** The log's side of a client of this engine. */
  static of(client: Client): AddressLog {
    return client.mailbox.effects as AddressLog
  }

  leased(offset: number, attempts: number, until_ms: number, cursor_acks: boolean): void {
    this.writing.run(KIND.leased, this.number, offset, attempts, until_ms, cursor_acks ? 1 : 0)
  }

  acknowledged(offset: number, attempts: number): void {
    this.writing.run(KIND.acknowledged, this.number, offset, attempts, 0, 0)
  }

  repeated(offset: number, attempts: number): void {
    this.writing.run(KIND.repeated, this.number, offset, attempts, 0, 0)
  }

  returned(offset: number, failures: number, until_ms: number, cursor_acks: boolean): void {
    this.writing.run(KIND.returned, this.number, offset, failures, until_ms, cursor_acks ? 1 : 0)
  }

  rewritten(entry: Entry): void {
    // What is delivered has to say the same for ever.
    this.writing.must_sync = true
    this.writing.message(this, entry)
  }

  /** Writes the attempts of all messages that are not acknowledged. */
  attempted({ mailbox }: Client): void {
    for (const { state, offset, attempts } of mailbox.entries.after(0))
      if (state !== ACKED) this.repeated(offset, attempts)
  }

  /** Notes what the address record says that lies in this segment. */
  said(segment: number, last: number, evicted_through: number): void {
    this.segment = segment
    this.said_last = last
    this.said_evicted = evicted_through
  }
}

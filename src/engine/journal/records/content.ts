import type { State } from '../../../core/mailbox/entry.ts'
import { idInJson, type Message, type Rank, type StoredMessage } from '../../../core/message.ts'
import { BROADCAST, HAS_STATE, IS_REPLY, RANK_BITS } from './kinds.ts'
import type { Reader } from './reader.ts'

/** A message as it is written, with what had changed since it came. */
export interface Content {
  readonly message: StoredMessage
  readonly state:
    | {
        readonly state: State
        readonly cursor_acks: boolean
        readonly attempts: number
        readonly failures: number
        readonly due_ms: number
      }
    | undefined
}

/** Reads messages. Texts that many of them have in common are in memory once. */
export class ContentReader {
  readonly #shared = new Map<string, string>()

  read(reader: Reader): Content {
    const marks = reader.u8()
    const sent_ms = reader.number()
    const expires_ms = reader.number()
    const ttl_ms = reader.number()
    const state = marks & HAS_STATE ? readState(reader) : undefined
    const in_reply_to = marks & IS_REPLY ? (reader.json() as string) : undefined
    const json = reader.text()
    const { message_id, sender_id } = idsIn(json)
    const message = {
      message_id,
      sender_id: this.#shared.getOrInsert(sender_id, sender_id),
      in_reply_to,
      rank: (marks & RANK_BITS) as Rank,
      broadcast: (marks & BROADCAST) !== 0,
      sent_ms,
      expires_ms,
      ttl_ms,
      json,
      bytes: json.length,
    }
    return { message, state }
  }
}

function readState(reader: Reader) {
  return {
    state: reader.u8() as State,
    cursor_acks: reader.u8() === 1,
    attempts: reader.u32(),
    failures: reader.u32(),
    due_ms: reader.number(),
  }
}

/** What comes between the two ids with which the JSON of every message begins. */
const BEFORE_SENDER = '","sender_id":"'

/** The ids in a message's JSON, if possible without parsing the rest. */
function idsIn(json: string): { message_id: string; sender_id: string } {
  const message_id = idInJson(json)
  const before = json.indexOf(BEFORE_SENDER)
  const from = before + BEFORE_SENDER.length
  const sender_id = json.slice(from, json.indexOf('"', from))
  const plain = before === json.indexOf(message_id) + message_id.length
  if (before > 0 && plain && !message_id.includes('\\') && !sender_id.includes('\\'))
    return { message_id, sender_id }
  return JSON.parse(json) as Message
}

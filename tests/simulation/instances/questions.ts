/** A question that waits for its reply, or has. */
export interface Question {
  readonly payload: string
  readonly asker: string
  /** When the reply was stored, in milliseconds since the epoch. */
  replied_ms: number | undefined
  /** Id of that reply. */
  reply_id: string | undefined
  over: boolean
  failed: boolean
}

/** The questions that were asked, and what is known of their replies. */
export class Questions {
  readonly #by_payload = new Map<string, Question>()
  readonly #by_message = new Map<string, Question>()
  readonly #taken = new Set<string>()
  /** Those that are not over. */
  readonly waiting = new Set<Question>()

  constructor(private readonly now: () => number) {}

  begin(asker: string, payload: string): Question {
    const question = {
      payload,
      asker,
      replied_ms: undefined,
      reply_id: undefined,
      over: false,
      failed: false,
    }
    this.#by_payload.set(payload, question)
    this.waiting.add(question)
    return question
  }

  is(payload: unknown): boolean {
    return this.#by_payload.has(String(payload))
  }

  /** A message was stored. @param json of the message */
  stored(message_id: string, json: string, in_reply_to: string | undefined): void {
    const question = this.#by_payload.get(QUESTION.exec(json)?.[1] ?? '')
    if (question) this.#by_message.set(message_id, question)
    const answered = in_reply_to === undefined ? undefined : this.#by_message.get(in_reply_to)
    if (!answered || answered.replied_ms !== undefined) return
    answered.replied_ms = this.now()
    answered.reply_id = message_id
  }

  /** A message is the reply to a question. @returns false if it was to another one already */
  takes(message_id: string): boolean {
    const fresh = !this.#taken.has(message_id)
    this.#taken.add(message_id)
    return fresh
  }

  /** Whether a question of this client has failed: a reply that was taken for it may be lost. */
  failedFor(asker: string): boolean {
    for (const question of this.#by_payload.values())
      if (question.failed && question.asker === asker) return true
    return false
  }
}

/** The payload of a question, in the JSON of its message. */
const QUESTION = /"payload":"(q\d+)"/

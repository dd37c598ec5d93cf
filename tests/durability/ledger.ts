/** What a mailbox's reader does about acknowledgement. */
export type Acks =
  /** It says what it is done with. */
  | 'manual'
  /** It does so, too, and resumes by cursor: what was acknowledged after that comes once more. */
  | 'cursor'
  /** By `get_messages`: what is in an answer counts as read, also if the answer is lost. */
  | 'answer'
  /** Over a WebSocket: what has arrived counts as read once its pong has come back. */
  | 'pong'
  /** Nobody reads it. */
  | 'none'

/** A receipt, as far as it may not change when the same key is sent again. */
export interface Receipt {
  readonly message_id: string
  readonly expires_at: string
  readonly stored: string
}

/** A message as a reader gets it. */
export interface Delivered {
  readonly message_id: string
  readonly sender_id: string
  readonly payload: unknown
  readonly attempt?: number
  readonly in_reply_to?: string
}

/** One message that was sent, or at least begun to be. */
export interface Line {
  readonly key: string
  readonly sender_id: string
  readonly recipient_id: string
  /** It expires soon, and nobody reads it. */
  readonly expires: boolean
  message_id: string | undefined
  receipt: Receipt | undefined
  /** The last attempt that a reader has seen; 0: it was never delivered. */
  attempt: number
  /** `perhaps`: an acknowledgement was asked for, and not answered. */
  acknowledged: 'no' | 'perhaps' | 'yes'
  /** In which run of the broker its sender was told that it is acknowledged. */
  told_in: number | undefined
  /** How often its sender was told of its death by a bounce. */
  bounces: number
}

/** Where the broker says that a message is; undefined: it knows no such message. */
export type Status = 'queued' | 'delivered' | 'acknowledged' | 'dead_lettered' | undefined

/**
 * All that a broker has promised to its clients: which messages it accepted, delivered and counted as
 * acknowledged. It is told of each promise when it is made, and says which of them were broken.
 */
export class Ledger {
  /** A sentence for each broken promise. */
  readonly violations: string[] = []
  readonly lines: Line[] = []
  readonly #by_key = new Map<string, Line>()
  readonly #by_id = new Map<string, Line>()
  #run = 0
  readonly #acks: ReadonlyMap<string, Acks>
  /** How many messages of a mailbox may have been in answers that were lost. */
  readonly #unseen_max = new Map<string, number>()
  /** When each mailbox's reader got something last, and the longest time that it got nothing. */
  readonly #heard_ms = new Map<string, number>()
  readonly silent_ms = new Map<string, number>()
  /** How much has happened, for the report. */
  readonly counts = {
    receipts: 0,
    repeated_receipts: 0,
    deliveries: 0,
    redeliveries: 0,
    lost_answers: 0,
    told: 0,
  }

  /** @param acks what the readers of each mailbox do */
  constructor(acks: Iterable<readonly [client_id: string, Acks]>) {
    this.#acks = new Map(acks)
  }

  /** The broker ended, and begins anew. */
  nextRun(): void {
    this.#run++
  }

  /** A send begins. Its payload has to be `{key, …}`. */
  sending(key: string, sender_id: string, recipient_id: string, expires: boolean): Line {
    const line: Line = {
      key,
      sender_id,
      recipient_id,
      expires,
      message_id: undefined,
      receipt: undefined,
      attempt: 0,
      acknowledged: 'no',
      told_in: undefined,
      bounces: 0,
    }
    this.lines.push(line)
    this.#by_key.set(key, line)
    return line
  }

  /** A send was answered. */
  accepted(line: Line, { message_id, expires_at, stored }: Receipt): void {
    const receipt = { message_id, expires_at, stored }
    const first = line.receipt
    this.#known(line, message_id)
    if (first === undefined) {
      line.receipt = receipt
      this.counts.receipts++
      return
    }
    this.counts.repeated_receipts++
    if (!Bun.deepEquals(first, receipt))
      this.violation(`${line.key} got another receipt: ${JSON.stringify([first, receipt])}`)
  }

  /** A message came to the reader of a mailbox. @returns its line; undefined for what no participant sent */
  delivered(client_id: string, message: Delivered): Line | undefined {
    const { key } = (message.payload ?? {}) as { key?: string }
    const line = this.#by_key.get(key ?? '')
    if (line === undefined || line.recipient_id !== client_id) {
      this.violation(`${client_id} got what nobody sent it: ${JSON.stringify(message).slice(0, 200)}`)
      return undefined
    }
    const attempt = message.attempt ?? 1
    this.counts.deliveries++
    const now = performance.now()
    const silent_ms = now - (this.#heard_ms.get(client_id) ?? now)
    this.#heard_ms.set(client_id, now)
    this.silent_ms.set(client_id, Math.max(this.silent_ms.get(client_id) ?? 0, silent_ms))
    if (line.attempt > 0) this.counts.redeliveries++
    this.#known(line, message.message_id)
    if (line.acknowledged === 'yes')
      this.violation(`${key} came to ${client_id} after it was acknowledged, as attempt ${attempt}`)
    // The sender may be told before the reader has its answer, but not in an earlier run.
    if ((line.told_in ?? this.#run) < this.#run && this.#acks.get(client_id) !== 'cursor')
      this.violation(`${key} came to ${client_id} after its sender was told that it is acknowledged`)
    if (attempt <= line.attempt)
      this.violation(`${key} came to ${client_id} as attempt ${attempt}, after attempt ${line.attempt}`)
    line.attempt = attempt
    if (this.#acks.get(client_id) === 'pong') line.acknowledged = 'perhaps'
    return line
  }

  /** An acknowledgement is asked for. */
  acknowledging(lines: readonly Line[]): void {
    for (const line of lines) if (line.acknowledged === 'no') line.acknowledged = 'perhaps'
  }

  /** The broker has said that these are acknowledged. */
  acknowledged(lines: readonly Line[]): void {
    for (const line of lines) line.acknowledged = 'yes'
  }

  /** A sender was told that its message is acknowledged. */
  told(message_id: string): void {
    const line = this.#by_id.get(message_id)
    // It may be told before the answer to its send.
    if (!line) return
    const { key, recipient_id, attempt } = line
    const acks = this.#acks.get(recipient_id)
    this.counts.told++
    if (acks === 'pong' && attempt === 0)
      this.violation(`${key} counts as read, and has not come to ${recipient_id}`)
    if ((acks === 'manual' || acks === 'cursor') && line.acknowledged === 'no')
      this.violation(`${key} counts as acknowledged, which ${recipient_id} has not asked for`)
    line.told_in ??= this.#run
  }

  /** An answer that would have acknowledged what is in it was lost. @param limit how many it may have held */
  lostAnswer(client_id: string, limit: number): void {
    this.counts.lost_answers++
    this.#unseen_max.set(client_id, (this.#unseen_max.get(client_id) ?? 0) + limit)
  }

  /** A bounce came to a sender. */
  bounced(client_id: string, { in_reply_to }: Delivered): void {
    const line = this.#by_id.get(in_reply_to ?? '')
    if (line === undefined || line.sender_id !== client_id || !line.expires)
      this.violation(`${client_id} got a bounce of ${in_reply_to}, which did not die`)
    else line.bounces++
  }

  /**
   * Compares with what the broker says at the end, when all mailboxes have been read and all acknowledgements
   * answered.
   *
   * @param statusOf by message_id
   * @param stored what each receipt has to say
   */
  settle(statusOf: ReadonlyMap<string, Status>, stored: string): void {
    const unseen = new Map<string, number>()
    for (const line of this.lines) {
      const { key, recipient_id, receipt, expires } = line
      if (receipt === undefined) {
        this.violation(`${key} was never accepted`)
        continue
      }
      if (receipt.stored !== stored) this.violation(`${key} is stored in ${receipt.stored}`)
      const status = statusOf.get(receipt.message_id)
      if (status === undefined) this.violation(`${key} to ${recipient_id} was accepted, and is lost`)
      else if (expires) this.#settleDead(line, status)
      else if (status === 'acknowledged') {
        if (line.attempt === 0) unseen.set(recipient_id, (unseen.get(recipient_id) ?? 0) + 1)
        else if (line.acknowledged === 'no')
          this.violation(`${key} counts as acknowledged, which ${recipient_id} did not ask for`)
      } else this.violation(`${key} to ${recipient_id} is ${status} at the end`)
    }
    for (const [client_id, count] of unseen) {
      const allowed = this.#acks.get(client_id) === 'answer' ? (this.#unseen_max.get(client_id) ?? 0) : 0
      if (count > allowed)
        this.violation(
          `${count} messages to ${client_id} count as read, and never came; ${allowed} may have been lost`,
        )
    }
  }

  violation(sentence: string): void {
    this.violations.push(sentence)
  }

  #settleDead({ key, recipient_id, attempt, bounces }: Line, status: Status): void {
    if (status !== 'dead_lettered')
      this.violation(`${key} to ${recipient_id} is ${status}, and should be dead`)
    if (attempt > 0) this.violation(`${key} was delivered to ${recipient_id}, where nobody reads`)
    if (bounces !== 1) this.violation(`${key} died, and its sender has ${bounces} bounces`)
  }

  /** Each key has one message, whoever tells of it first. */
  #known(line: Line, message_id: string): void {
    if (line.message_id === undefined) {
      line.message_id = message_id
      this.#by_id.set(message_id, line)
    } else if (line.message_id !== message_id)
      this.violation(`${line.key} was stored twice: as ${line.message_id} and as ${message_id}`)
  }
}

import type { IdempotencyKey, Sent } from '../../values.ts'
import { type MailboxCall, type Noted, noted, type Refused } from '../mailbox/calls.ts'
import { mailboxScript } from '../mailbox/scripts.ts'
import claim from './claim.lua' with { type: 'text' }
import finish from './finish.lua' with { type: 'text' }

export const CLAIM = mailboxScript('claim', claim)
export const FINISH = mailboxScript('finish', finish)

/** What came of an earlier send under the same key. */
export interface Known {
  readonly digest: string
  readonly sent: Sent
}

export interface ClaimAnswer extends Noted {
  readonly made: boolean
  /** The send may begin, or go on where an earlier one ended midway. */
  readonly begins: boolean
  readonly known: Known | undefined
  /** Id of the message: that of an earlier send which began, and whose end is not known. */
  readonly message_id: string
}

/**
 * Begins a send, on the mailbox of its sender.
 *
 * @param until_ms how long the key is kept, in milliseconds since the epoch
 * @param epoch of the mailbox, if this call is to make it
 */
export function claimCall(
  { key, digest }: IdempotencyKey,
  message_id: string,
  until_ms: number,
  keys_max: number,
  epoch: string | undefined,
): MailboxCall<ClaimAnswer | Refused> {
  return {
    script: CLAIM,
    args: [epoch ?? '', key, encodeURIComponent(digest), until_ms, keys_max, '1', message_id],
    read: readClaim,
  }
}

/** Only asks what came of a key. */
export function lookCall(key: string): MailboxCall<ClaimAnswer | Refused> {
  return { script: CLAIM, args: ['', key, '', 0, 0, '', ''], read: readClaim }
}

function readClaim(answer: unknown): ClaimAnswer | Refused {
  if (!Array.isArray(answer)) return answer as Refused
  const [all, [made, begins, digest, text, message_id]] = noted(answer)
  return {
    ...all,
    made: made === 1,
    begins: begins === 1,
    known: known(digest, text),
    message_id: String(message_id),
  }
}

export interface FinishAnswer extends Noted {
  /** Another send under the same key ended before. */
  readonly known: Known | undefined
}

/** @param sent undefined forgets the key */
export function finishCall(key: string, sent: Sent | undefined): MailboxCall<FinishAnswer | Refused> {
  return {
    script: FINISH,
    args: [key, sent ? JSON.stringify(sent) : ''],
    read(answer) {
      if (!Array.isArray(answer)) return answer as Refused
      const [all, [digest, text]] = noted(answer)
      return { ...all, known: known(digest, text) }
    },
  }
}

function known(digest: unknown, text: unknown): Known | undefined {
  return text === ''
    ? undefined
    : { digest: decodeURIComponent(String(digest)), sent: JSON.parse(String(text)) as Sent }
}

import type { Issue } from '../../../core/message.ts'
import type { IdempotencyKey, Sent } from '../../values.ts'
import { type MailboxCall, type Noted, noted, type Refused } from '../mailbox/calls.ts'
import { mailboxScript } from '../mailbox/scripts.ts'
import { kept } from '../script.ts'
import claim from './claim.lua' with { type: 'text' }
import finish from './finish.lua' with { type: 'text' }

export const CLAIM = kept(mailboxScript('claim', claim))
export const FINISH = kept(mailboxScript('finish', finish))

/** What came of an earlier send under the same key. */
export interface Known {
  readonly digest: string
  readonly sent: Sent
}

export interface ClaimAnswer extends Noted {
  readonly made: boolean
  /** What came of an earlier send under this key, if that is known. */
  readonly known: Known | undefined
  /** One that was begun, and has not ended: it is under way, or whoever made it has died. */
  readonly begun: (Issue & { readonly digest: string }) | undefined
}

/**
 * Begins a send, on the mailbox of its sender.
 *
 * @param message that is to be stored
 * @param until_ms how long the key is kept, in milliseconds since the epoch
 * @param epoch of the mailbox, if this call is to make it
 */
export function claimCall(
  { key, digest }: IdempotencyKey,
  { message_id, sent_ms, expires_ms }: Issue,
  until_ms: number,
  keys_max: number,
  epoch: string | undefined,
): MailboxCall<ClaimAnswer | Refused> {
  const issue = `${message_id}/${sent_ms}/${expires_ms}`
  return {
    script: CLAIM,
    args: [epoch ?? '', key, encodeURIComponent(digest), until_ms, keys_max, issue],
    read: readClaim,
  }
}

/** Only asks what came of a key. */
export function lookCall(key: string): MailboxCall<ClaimAnswer | Refused> {
  return { script: CLAIM, args: ['', key, '', 0, 0, ''], read: readClaim }
}

function readClaim(answer: unknown): ClaimAnswer | Refused {
  if (!Array.isArray(answer)) return answer as Refused
  const [all, [made, digest, issue, text]] = noted(answer)
  return { ...all, made: made === 1, known: known(digest, text), begun: begun(digest, issue, text) }
}

function begun(digest: unknown, issue: unknown, text: unknown): ClaimAnswer['begun'] {
  if (issue === '' || text !== '') return undefined
  const [message_id = '', sent_ms, expires_ms] = String(issue).split('/')
  const times = { sent_ms: Number(sent_ms), expires_ms: Number(expires_ms) }
  return { message_id, ...times, digest: decodeURIComponent(String(digest)) }
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

import { StorageFailed } from '../../../core/errors.ts'

/**
 * Why a call to Redis failed.
 *
 * | kind | meaning |
 * |---|---|
 * | `unsent` | time is up, and no try has run: none was sent, or a server turned each away before it began |
 * | `unknown` | time is up, and a try was sent that was not answered, or not stored by enough replicas |
 * | `full` | Redis has no memory for it (OOM) |
 * | `refused` | the login failed, or the user may not do this; the message names the command or the key |
 * | `unfit` | the server may not be used; the message says why |
 * | `script` | any other error of the server: the call itself is wrong |
 *
 * The last four are answers to the last try. An earlier one may have run where `may_have_run` is true.
 */
export type FailedKind = 'unsent' | 'unknown' | 'full' | 'refused' | 'unfit' | 'script'

/** A call to Redis failed for good: it was tried again as long as it had time. */
export class RedisFailed extends StorageFailed {
  override name = 'RedisFailed'
  override readonly told: boolean

  constructor(
    readonly kind: FailedKind,
    message: string,
    override readonly may_have_run: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options)
    // The connection tells of it when it is lost, and when it is there again.
    this.told = kind === 'unsent' || kind === 'unknown' || kind === 'unfit'
  }
}

/**
 * What follows from the error of one try.
 *
 * | verdict | meaning |
 * |---|---|
 * | `load` | the server does not know the script: load it, and try again |
 * | `moved`, `ask` | another server has the slot, for good or for this call: try there |
 * | `later` | the server turned it away before it began: try again in a moment |
 * | `elsewhere` | so did a server that is no master any more: connect again first |
 * | `lost` | it may have run: the connection broke, or the answer did not come in time |
 * | `full`, `refused`, `script` | as in {@link FailedKind} |
 */
export type Verdict =
  | 'load'
  | 'moved'
  | 'ask'
  | 'later'
  | 'elsewhere'
  | 'lost'
  | 'full'
  | 'refused'
  | 'script'

const BY_CODE: Readonly<Record<string, Verdict>> = {
  NOSCRIPT: 'load',
  MOVED: 'moved',
  ASK: 'ask',
  TRYAGAIN: 'later',
  LOADING: 'later',
  NOREPLICAS: 'later',
  CLUSTERDOWN: 'later',
  BUSY: 'later',
  MISCONF: 'later',
  MASTERDOWN: 'elsewhere',
  READONLY: 'elsewhere',
  OOM: 'full',
  NOAUTH: 'refused',
  WRONGPASS: 'refused',
  NOPERM: 'refused',
}

/** The code at the beginning of what a server answers, such as `NOSCRIPT`. */
export function codeOf(message: string): string {
  return /^[A-Z]+(?= )/.exec(message)?.[0] ?? ''
}

/** @param error of one try, by ioredis; all but answers of a server mean that the connection failed */
export function verdictOn(error: Error): Verdict {
  if (error.message.startsWith("Stream isn't writeable")) return 'later'
  if (error.name !== 'ReplyError') return 'lost'
  const verdict = BY_CODE[codeOf(error.message)]
  if (verdict) return verdict
  // How an error inside of a script is told depends on the version.
  const inner = Object.keys(BY_CODE).find((code) => error.message.includes(`-${code} `))
  if (inner) return BY_CODE[inner]!
  if (/ACL failure in script|user executing the script can't/.test(error.message)) return 'refused'
  if (/used memory > 'maxmemory'/.test(error.message)) return 'full'
  return 'script'
}

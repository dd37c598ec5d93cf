import { StorageFailed } from '../../../core/errors.ts'

/**
 * Why a call was not answered. `unsent`: it was never sent, so nothing was done. `unknown`: it was sent, and
 * may have been carried out. `full`: Redis has no room. `refused`: the user of the connection may not do it.
 * `fault`: Redis says that the call itself is wrong.
 */
export type FailureKind = 'unsent' | 'unknown' | 'full' | 'refused' | 'fault'

/** A call to Redis that failed, once trying again was of no use. */
export class RedisFailed extends StorageFailed {
  override name = 'RedisFailed'

  constructor(
    readonly kind: FailureKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/**
 * What an error of one try means. `again`: the same call may be made again, and nothing was done. `lost`: the
 * same, and it may have been carried out. `script`: as `again`, with the text of the script.
 */
export type Meaning = 'again' | 'lost' | 'script' | 'full' | 'refused' | 'fault'

/** Codes by which a server says that it cannot answer at present, or that another one has the key. */
const PASSING =
  /^(?:MOVED|ASK|TRYAGAIN|READONLY|LOADING|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|BUSY|UNBLOCKED|MISCONF) ?/
/** The user may not connect, or not run this command, or not use this key; the last also within a script. */
const FORBIDDEN = /^(?:NOAUTH|WRONGPASS|NOPERM|ERR The user executing the script can't)/
/** The code of an error that a script met in the midst of its work: what it did before stays done. */
const WITHIN_SCRIPT = /script: [0-9a-f]{40}/

export function meaningOf(error: Error): Meaning {
  const { name, message } = error
  // What the library says of a connection: the command may have been on its way.
  if (name !== 'ReplyError') return message.includes("isn't writeable") ? 'again' : 'lost'
  if (message.startsWith('NOSCRIPT')) return 'script'
  if (message.startsWith('OOM')) return 'full'
  if (FORBIDDEN.test(message)) return 'refused'
  if (PASSING.test(message)) return WITHIN_SCRIPT.test(message) ? 'lost' : 'again'
  return 'fault'
}

import { BrokerError } from '../core/errors.ts'
import type { MaybePromise } from '../engine/engine.ts'

/**
 * Reads a request's body as JSON, never more than `bytes_max` of it.
 *
 * @param use is handed what was read; undefined when there is no body
 * @returns what `use` does
 * @throws BrokerError `unsupported_media_type`, `body_too_large`, `invalid_json`, `nesting_too_deep`
 */
export function readJson<R>(
  request: Request,
  bytes_max: number,
  use: (body: unknown) => MaybePromise<R>,
): MaybePromise<R> {
  const { headers } = request
  const length = headers.get('content-length')
  const chunked = length === null && headers.has('transfer-encoding')
  if (length === '0' || (length === null && !chunked)) return use(undefined)
  checkType(headers)
  if (Number(length) > bytes_max) throw tooLarge(bytes_max)
  const reading = chunked ? readAtMost(request.body, bytes_max) : request.bytes()
  return reading.then((bytes) => use(parse(bytes)))
}

/** JSON, or a format that is made of it. */
const JSON_TYPE = /^application\/(json|[\w.-]+\+json)\s*(;|$)/i
const UTF8 = new TextDecoder('utf-8', { fatal: true })

function parse(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined
  let text: string
  try {
    text = UTF8.decode(bytes)
  } catch {
    throw new BrokerError('invalid_json', { detail: 'The body is not UTF-8.' })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof RangeError) throw new BrokerError('nesting_too_deep')
    throw new BrokerError('invalid_json', {
      detail: `The body is not valid JSON: ${(error as SyntaxError).message}.`,
    })
  }
}

function checkType(headers: Headers): void {
  const type = headers.get('content-type')
  if (type === null || (type !== 'application/json' && !JSON_TYPE.test(type)))
    throw new BrokerError('unsupported_media_type', {
      detail:
        type === null ? 'The body has no content-type.' : `The body is declared as "${type}", not as JSON.`,
    })
  // What nearly all send needs no closer look.
  const charset = type === 'application/json' ? undefined : /charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw new BrokerError('unsupported_media_type', {
      detail: `JSON is UTF-8; the body is declared as ${charset}.`,
    })
  const encoding = headers.get('content-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'identity')
    throw new BrokerError('unsupported_media_type', {
      detail: `The body is compressed with "${encoding}".`,
      next: 'Send the body as it is, without content-encoding.',
    })
}

/** Of a body without a length: no more of it is kept than may be. */
async function readAtMost(body: ReadableStream<Uint8Array> | null, bytes_max: number): Promise<Uint8Array> {
  const reader = body?.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    const chunk = (await reader?.read())?.value
    if (!chunk) return Buffer.concat(chunks)
    bytes += chunk.length
    if (bytes > bytes_max) throw tooLarge(bytes_max, !(await endsSoon(reader!)))
    chunks.push(chunk)
  }
}

/** As much of a stream's reader as is needed: Bun's types and Node's differ. */
interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

/** How much may follow in a body that is too large, and for how long, until it is answered without its end. */
const PASSED_BYTES_MAX = 8 * 1024 * 1024
const PASSED_MS_MAX = 2000

/** Reads past the rest of a body. Who is still writing would not read an answer that ends the connection. */
async function endsSoon(reader: Reader): Promise<boolean> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, PASSED_MS_MAX)
  try {
    for (let bytes = 0; bytes <= PASSED_BYTES_MAX; ) {
      const next = await Promise.race([reader.read(), late.promise])
      if (!next || next.done) return next !== undefined
      bytes += next.value?.length ?? 0
    }
    return false
  } finally {
    clearTimeout(timer)
  }
}

/** @param unread the body was not read to its end */
function tooLarge(bytes_max: number, unread = false): BrokerError {
  return new BrokerError('body_too_large', {
    detail: `The body is larger than ${bytes_max} bytes, which is what this broker takes.`,
    unread,
  })
}

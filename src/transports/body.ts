import { BrokerError } from '../core/errors.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'

/**
 * Reads a request's body as JSON, never more than `bytes_max` of it.
 *
 * @param use takes the parsed body; undefined when there is no body
 * @returns what `use` returns
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

/** `application/json`, or a type with the suffix `+json`. */
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
  // Nearly all clients send exactly this type, which names no charset.
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

/**
 * Reads a body without a declared length.
 *
 * @throws BrokerError `body_too_large` as soon as it exceeds `bytes_max`
 */
async function readAtMost(body: ReadableStream<Uint8Array> | null, bytes_max: number): Promise<Uint8Array> {
  const kept = new Bun.ArrayBufferSink()
  kept.start({ asUint8Array: true })
  const reader = body?.getReader()
  try {
    for (let bytes = 0; ; ) {
      const chunk = (await reader?.read())?.value
      if (!chunk) return kept.end() as Uint8Array
      bytes += chunk.length
      if (bytes > bytes_max) throw tooLarge(bytes_max)
      kept.write(chunk)
    }
  } finally {
    reader?.releaseLock()
  }
}

/** How much of a refused body is read, and for how long, before it is answered without its end. */
export const REFUSED_BYTES_MAX = 32 * 1024 * 1024
const REFUSED_MS_MAX = 2000
/** What a chunk counts for beyond its bytes: a million chunks of one byte are more work than a megabyte. */
const CHUNK_COST_BYTES = 256

/**
 * Reads and discards the rest of a body without a length, since a client that still writes reads no answer.
 *
 * @returns whether the body has ended within the limits; if not, only closing the connection ends it
 */
export async function readPast({ body }: Request): Promise<boolean> {
  if (!body || body.locked) return false
  const reader = body.getReader()
  let late = false
  const timer = setTimeout(() => {
    late = true
    reader.cancel().catch(() => {})
  }, REFUSED_MS_MAX)
  try {
    for (let bytes = 0; bytes <= REFUSED_BYTES_MAX; ) {
      const { done, value } = await reader.read()
      if (done) return !late
      bytes += value.length + CHUNK_COST_BYTES
    }
    return false
  } catch {
    // The client has gone.
    return false
  } finally {
    clearTimeout(timer)
  }
}

function tooLarge(bytes_max: number): BrokerError {
  return new BrokerError('body_too_large', {
    detail: `The body is larger than ${bytes_max} bytes, which is what this broker takes.`,
  })
}

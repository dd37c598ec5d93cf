/** One event as it came. */
export interface StreamEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
  readonly json: Record<string, unknown>
}

/** A raw event stream, read line by line: what a browser hides is seen here. */
export class StreamReader {
  readonly events: StreamEvent[] = []
  readonly comments: string[] = []
  retry_ms: number | undefined
  ended = false
  #text = ''
  #wake = Promise.withResolvers<void>()
  #taken = 0

  constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {
    void this.#read()
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder()
    try {
      for await (const chunk of this.response.body ?? []) {
        this.#text += decoder.decode(chunk, { stream: true })
        for (let end = this.#text.indexOf('\n\n'); end !== -1; end = this.#text.indexOf('\n\n')) {
          this.#block(this.#text.slice(0, end))
          this.#text = this.#text.slice(end + 2)
        }
        this.#tell()
      }
    } catch {
      // Cut off, by us or by the server: either way it is over.
    }
    this.ended = true
    this.#tell()
  }

  #block(block: string): void {
    const fields = new Map<string, string>()
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments.push(line.slice(1))
      else if (line.startsWith('retry: ')) this.retry_ms = Number(line.slice(7))
      else fields.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2))
    }
    const data = fields.get('data')
    if (data !== undefined)
      this.events.push({
        event: fields.get('event') ?? 'message',
        id: fields.get('id'),
        data,
        json: JSON.parse(data) as Record<string, unknown>,
      })
  }

  #tell(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  /** Waits until `ready` answers something; looks again whenever something has come. @throws Error after `ms` */
  async until<T>(what: string, ready: () => T | undefined, ms = 5000): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms)
    try {
      for (;;) {
        const found = ready()
        if (found !== undefined) return found
        await Promise.race([this.#wake.promise, late])
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** The next event, which must be of this kind. */
  async next(kind: string, ms = 5000): Promise<StreamEvent> {
    const event = await this.until(kind, () => this.events[this.#taken], ms)
    this.#taken++
    if (event.event !== kind) throw new Error(`expected ${kind}, not ${event.event}: ${event.data}`)
    return event
  }

  close(): void {
    this.abort.abort()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }
}

/** Opens the event stream of a mailbox. @param query without its question mark */
export async function openStream(
  url: string,
  client_id: string,
  query = '',
  headers: Record<string, string> = {},
): Promise<StreamReader> {
  const abort = new AbortController()
  const response = await fetch(`${url}/v1/mailboxes/${client_id}/events?${query}`, {
    headers,
    signal: abort.signal,
  })
  return new StreamReader(response, abort)
}

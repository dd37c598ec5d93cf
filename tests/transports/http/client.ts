import { connect, type Socket } from 'node:net'

/** An answer with its body parsed. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

/** A request with a JSON body, or none; the answer must be JSON. */
export async function call(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return answerOf(response)
}

export async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response
  return { status, headers, body: (await response.json()) as Record<string, unknown> }
}

/** A TCP connection which says exactly what it is told to, and reads only when told to. */
export class RawSocket {
  received = ''
  received_bytes = 0
  closed = false
  #wake = Promise.withResolvers<void>()

  private constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.received_bytes += data.length
      if (this.received.length < 1_000_000) this.received += data.toString()
      this.#tell()
    })
    socket.on('error', () => this.#end())
    socket.on('close', () => this.#end())
  }

  static async open(url: string): Promise<RawSocket> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await new Promise((resolve) => socket.once('connect', resolve))
    return new RawSocket(socket)
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data)
  }

  /** Writes and waits until the kernel has taken it, or the connection is over. */
  async send(data: string | Uint8Array): Promise<void> {
    if (this.closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.socket.write(data, () => resolve())
    await promise
  }

  /** Waits until `ready`; looks again whenever something has come. @throws Error after `ms` */
  async until(what: string, ready: () => boolean, ms = 5000): Promise<void> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error(`waited ${ms} ms for ${what}`)), ms)
    try {
      while (!ready()) await Promise.race([this.#wake.promise, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Lets what comes pile up in the kernel. */
  stopReading(): void {
    this.socket.pause()
  }

  goOnReading(): void {
    this.socket.resume()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    return Promise.resolve()
  }

  #end(): void {
    this.closed = true
    this.#tell()
  }

  #tell(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }
}

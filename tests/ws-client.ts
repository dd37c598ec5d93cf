import { until } from './harness.ts'

/** What arrives in a `message` notification. */
export interface Arrived {
  cursor: string
  message: {
    message_id: string
    sender_id: string
    recipient_id?: string
    payload: unknown
    attempt?: number
    priority?: string
    broadcast?: true
    in_reply_to?: string
    headers?: Record<string, string>
  }
}

interface Frame {
  id?: number | string | null
  method?: string
  params?: unknown
  result?: unknown
  error?: { code: number; message: string; data: { code: string; field?: string; next: string } }
}

/** A JSON-RPC client over a real WebSocket, which keeps all that arrives. */
export class WsClient {
  readonly messages: Arrived[] = []
  readonly notifications: Frame[] = []
  readonly frames: string[] = []
  closed: { code: number; reason: string } | undefined
  #waiting = new Map<number | string, (frame: Frame) => void>()
  #next_id = 1

  private constructor(readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      this.frames.push(String(data))
      const parsed = JSON.parse(String(data)) as Frame | Frame[]
      for (const frame of [parsed].flat()) this.#arrived(frame)
    }
    socket.onclose = ({ code, reason }) => {
      this.closed = { code, reason }
    }
  }

  /** Connects to a broker's WebSocket door. @param url the broker's, `http://…` */
  static async connect(url: string, protocols: string[] = []): Promise<WsClient> {
    const socket = new WebSocket(wsUrl(url), protocols)
    const client = new WsClient(socket)
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = reject
    })
    return client
  }

  /** Connects and checks in. */
  static async checkedIn(url: string, client_id: string): Promise<WsClient> {
    const client = await WsClient.connect(url)
    await client.call('checkin_client', { client_id })
    return client
  }

  /** Calls a method and answers its result. @throws RpcError */
  async call<T = Record<string, unknown>>(method: string, params: unknown = {}): Promise<T> {
    const frame = await this.request({ jsonrpc: '2.0', id: this.#next_id++, method, params })
    if (frame.error) throw new RpcError(frame.error)
    return frame.result as T
  }

  /** Sends a whole request and answers the whole response. */
  request(request: { id: number | string; [member: string]: unknown }): Promise<Frame> {
    const answer = this.answer(request.id)
    this.send(request)
    return answer
  }

  /** The response to a request that is about to be sent. */
  answer(id: number | string): Promise<Frame> {
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** Waits until this many messages have arrived. */
  received(count: number, ms?: number): Promise<Arrived[]> {
    return until(
      `${count} messages (there are ${this.messages.length})`,
      () => (this.messages.length >= count ? this.messages : undefined),
      ms,
    )
  }

  /** Waits for the close code. */
  close_code(ms?: number): Promise<number> {
    return until('the close', () => this.closed?.code, ms)
  }

  close(): void {
    this.socket.close()
  }

  #arrived(frame: Frame): void {
    if (frame.method === 'message') this.messages.push(frame.params as Arrived)
    else if (frame.method !== undefined) this.notifications.push(frame)
    else {
      this.notifications.push(frame)
      const waiting = this.#waiting.get(frame.id ?? '')
      this.#waiting.delete(frame.id ?? '')
      waiting?.(frame)
    }
  }
}

/** An error answer. */
export class RpcError extends Error {
  constructor(readonly error: NonNullable<Frame['error']>) {
    super(error.message)
  }

  get code(): string {
    return this.error.data.code
  }
}

export function wsUrl(url: string): string {
  return `${url.replace(/^http/, 'ws')}/v1/ws`
}

/** The catalogue code that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    if (error instanceof RpcError) return error.code
    throw error
  }
  throw new Error('the call was not refused')
}

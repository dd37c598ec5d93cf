import type { ErrorBody } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import { authorization, brokersError, type Target } from './client.ts'

export interface Delivery {
  readonly cursor: string
  readonly message: Message
}

export interface Subscribed {
  readonly recovered: boolean
  readonly cursor: string
}

export interface Ended {
  /** The WebSocket's close code and reason. */
  readonly code: number
  readonly reason: string
  /** Why it was ended from here. */
  readonly failed?: unknown
}

export interface Following {
  subscribed(subscribed: Subscribed): void
  delivered(delivery: Delivery): void
}

/** Longer than the broker's own pings are apart, which are not seen here. */
const QUIET_MS_MAX = 25_000

interface Frame {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Delivery
  readonly result?: Subscribed
  readonly error?: { readonly message: string; readonly data?: ErrorBody }
}

/**
 * Reads one mailbox over one WebSocket, until that ends.
 *
 * @param following gets each event; an error that it throws ends the connection, and is in the result
 * @param quiet_ms_max after so long without a frame the broker is asked for a sign of life, and after as
 *   long again given up
 */
export function follow(
  target: Target,
  subscribe: {
    readonly client_id: string
    readonly ack: 'auto' | 'none'
    readonly after: string | undefined
  },
  following: Following,
  quiet_ms_max = QUIET_MS_MAX,
): Promise<Ended> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${target.url.replace(/^http/, 'ws')}/v1/ws`, {
      headers: authorization(target),
    })
    let opened = false
    let failed: unknown
    let asked = false
    const request = (id: string, method: string, params?: object) =>
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    const watchdog = setTimeout(() => {
      if (asked) return socket.terminate()
      if (opened) request('alive', 'get_my_identity')
      asked = true
      watchdog.refresh()
    }, quiet_ms_max)

    const onFrame = (frame: Frame) => {
      if (frame.method === 'message' && frame.params) following.delivered(frame.params)
      else if (frame.id === 'subscribe' && frame.result) following.subscribed(frame.result)
      else if (frame.id === 'subscribe' && frame.error)
        throw brokersError(frame.error.data ?? { detail: frame.error.message }, target)
    }
    socket.addEventListener('open', () => {
      opened = true
      request('subscribe', 'subscribe', { ...subscribe, batch: true })
    })
    socket.addEventListener('message', ({ data }) => {
      asked = false
      watchdog.refresh()
      if (failed !== undefined) return
      try {
        for (const frame of [JSON.parse(String(data)) as Frame | Frame[]].flat()) onFrame(frame)
      } catch (error) {
        failed = error
        socket.close(1000)
      }
    })
    socket.addEventListener('close', ({ code, reason }) => {
      clearTimeout(watchdog)
      resolve({ code, reason, failed })
    })
  })
}

import { until } from '../../harness.ts'
import { RpcError, WsClient } from '../../ws-client.ts'
import type { RealBroker } from '../real-broker.ts'

const SENT_AT_ONCE = 50
const FILL_PAUSE_MS = 3
const ROOM_MS_MAX = 5000
const READ_BYTES_MAX = 1_000_000

/** One client of a broker, which sends to itself and knows what it was promised. */
export class Client {
  /** Ids of what was accepted. */
  readonly accepted = new Set<string>()
  /** Ids whose acknowledgement was answered. */
  readonly acknowledged = new Set<string>()
  #ws!: WsClient
  #url = ''

  /** Connects to a broker that was started anew. */
  async connect({ url }: RealBroker): Promise<void> {
    this.#url = url
    this.#ws = await WsClient.checkedIn(url, 'client')
  }

  /** The same, once that is possible: a check-in writes. */
  async reconnect(broker: RealBroker): Promise<void> {
    const refused = (error: unknown) => {
      if (!(error instanceof RpcError) || error.code !== 'storage_unavailable') throw error
      return undefined
    }
    await until('a check-in', () => this.connect(broker).then(() => true as const, refused), ROOM_MS_MAX)
  }

  /** @returns the code that it was refused with; undefined if it was accepted */
  async send(filler = ''): Promise<string | undefined> {
    const { code, output } = await this.call('send_message', { recipient_id: 'client', payload: { filler } })
    if (code === undefined) this.accepted.add(output.message_id as string)
    return code
  }

  /** Sends until the disk is full, slowly enough for the next segment to be prepared in time. */
  async fill(chars: number): Promise<void> {
    for (;;) {
      const sends = Array.from({ length: SENT_AT_ONCE }, () => this.send('x'.repeat(chars)))
      if ((await Promise.all(sends)).includes('storage_full')) return
      await Bun.sleep(FILL_PAUSE_MS)
    }
  }

  /** Sends again and again until that is accepted. @throws Error if that takes too long */
  async untilAccepted(): Promise<void> {
    await until('a send to be accepted', async () => ((await this.send()) ? undefined : true), ROOM_MS_MAX)
    await until('readiness', async () => ((await this.ready()).ok ? true : undefined), ROOM_MS_MAX)
  }

  async read(ack: 'auto' | 'manual' | 'none'): Promise<string[]> {
    const input = { ack, limit: 1000, bytes_max: READ_BYTES_MAX }
    const { messages } = await this.#ws.call<{ messages: { message_id: string }[] }>('get_messages', input)
    const ids = messages.map(({ message_id }) => message_id)
    if (ack === 'auto') for (const id of ids) this.#done(id)
    return ids
  }

  /** Acknowledges so many messages, each by a call of its own. */
  async acknowledge(count: number): Promise<void> {
    for (let done = 0; done < count; ) {
      const ids = (await this.read('manual')).slice(0, count - done)
      if (ids.length === 0) throw new Error(`only ${done} messages were there to be acknowledged`)
      await Promise.all(
        ids.map(async (id) => {
          await this.#ws.call('ack_messages', { message_ids: [id] })
          this.#done(id)
        }),
      )
      done += ids.length
    }
  }

  /** Leases messages and gives them back, in an order that makes no ranges of them, until that is refused. */
  async useUp(): Promise<string> {
    for (;;) {
      const { code, output } = await this.call('get_messages', {
        ack: 'manual',
        limit: 500,
        bytes_max: READ_BYTES_MAX,
      })
      if (code !== undefined) return code
      const messages = output.messages as { message_id: string }[]
      const nacks = messages
        .reverse()
        .map(({ message_id }) => this.call('nack_messages', { message_ids: [message_id] }))
      const refused = (await Promise.all(nacks)).find((nack) => nack.code !== undefined)
      if (refused) return refused.code!
    }
  }

  /** @returns what a call answered, or the code that it was refused with */
  async call(command: string, input: object): Promise<{ code?: string; output: Record<string, unknown> }> {
    try {
      return { output: await this.#ws.call(command, input) }
    } catch (error) {
      if (error instanceof RpcError) return { code: error.code, output: {} }
      throw error
    }
  }

  async ready(): Promise<{ ok: boolean; detail: string }> {
    const response = await fetch(`${this.#url}/health/ready`)
    const { detail = '' } = (await response.json()) as { detail?: string }
    return { ok: response.status === 200, detail }
  }

  /** Reads all there is. @throws Error unless that is what was accepted and not acknowledged, once each */
  async checkAll(): Promise<void> {
    const read: string[] = []
    // What is leased comes back when its lease is over.
    await until(
      'all to be read',
      async () => {
        for (let some = await this.read('auto'); some.length > 0; some = await this.read('auto'))
          read.push(...some)
        return this.acknowledged.size >= this.accepted.size || undefined
      },
      20_000,
    )
    const unknown = read.filter((id) => !this.accepted.has(id))
    if (unknown.length > 0) throw new Error(`${unknown.length} came that were not accepted`)
  }

  /** @throws Error if it was acknowledged before */
  #done(id: string): void {
    if (this.acknowledged.has(id)) throw new Error(`${id} came after it was acknowledged`)
    this.acknowledged.add(id)
  }
}

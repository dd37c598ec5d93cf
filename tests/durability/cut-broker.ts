import { createServer, type Server, type Socket, connect as tcp } from 'node:net'
import { type BrokerUnderTest, RealBroker } from './real-broker.ts'

/** How long a broker may still work on what came before the cut. */
const SETTLE_MS = 100

/**
 * A broker in memory that stands for one which forgets nothing: its end is a cut of all connections, and its
 * start a new address of the same process.
 */
export class CutBroker implements BrokerUnderTest, AsyncDisposable {
  url = ''
  ending = true
  ended: Promise<unknown> = Promise.resolve()
  #end = () => {}
  readonly #broker = new RealBroker(undefined)
  readonly #sockets = new Set<Socket>()
  #proxy: Server | undefined

  async start(): Promise<void> {
    if (this.#broker.url === '') await this.#broker.start()
    const to = Number(new URL(this.#broker.url).port)
    const proxy = createServer((client) => this.#join(client, tcp(to, '127.0.0.1')))
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    this.#proxy = proxy
    this.url = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
    this.ending = false
  }

  async kill(): Promise<void> {
    this.ending = true
    this.#proxy?.close()
    for (const socket of this.#sockets) socket.destroy()
    await Bun.sleep(SETTLE_MS)
    this.#end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await this.#broker.kill()
  }

  #join(client: Socket, broker: Socket): void {
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  }
}

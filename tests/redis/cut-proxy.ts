import { connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy before a server on the loopback interface, whose connections can be cut, held and slowed. */
export class CutProxy implements AsyncDisposable {
  readonly #pairs = new Map<Socket, Socket>()
  #half = false
  #held = false
  #delay_ms = 0
  /** Connections that were cut with an answer half passed on. */
  halved = 0
  /** Packets of requests that came. */
  requests = 0

  private constructor(
    readonly port: number,
    readonly server_port: number,
    readonly server: Server,
  ) {}

  /** @param server_port where the server listens; it need not be there yet */
  static async start(server_port: number): Promise<CutProxy> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const proxy = new CutProxy(address.port, server_port, server)
    server.on('connection', (client) => proxy.#accept(client))
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get connections(): number {
    return this.#pairs.size
  }

  #accept(client: Socket): void {
    const server = connect(this.server_port, '127.0.0.1')
    this.#pairs.set(client, server)
    const end = () => {
      this.#pairs.delete(client)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
    if (this.#held) for (const socket of [client, server]) socket.pause()
    client.on('data', (bytes: Buffer) => {
      this.requests++
      this.#pass(bytes, server)
    })
    server.on('data', (bytes: Buffer) => {
      if (!this.#half) return this.#pass(bytes, client)
      this.#half = false
      this.halved++
      client.write(bytes.subarray(0, bytes.length >> 1), end)
    })
  }

  #pass(bytes: Buffer, to: Socket): void {
    if (this.#delay_ms === 0) to.write(bytes)
    else setTimeout(() => to.destroyed || to.write(bytes), this.#delay_ms)
  }

  /** Cuts all connections. */
  cut(): void {
    for (const [client, server] of this.#pairs) {
      client.destroy()
      server.destroy()
    }
  }

  /** The next answer of the server is passed on by half, and its connection cut. */
  cutInAnswer(): void {
    this.#half = true
  }

  /** From now on nothing is passed on, or everything again. Connections stay open. */
  hold(held: boolean): void {
    this.#held = held
    for (const pair of this.#pairs) for (const socket of pair) held ? socket.pause() : socket.resume()
  }

  /** What comes from now on is passed on so many milliseconds later. */
  slow(delay_ms: number): void {
    this.#delay_ms = delay_ms
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

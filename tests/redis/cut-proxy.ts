import { connect, createServer, type Server, type Socket } from 'node:net'

/** A door to a port of this machine, whose connections a test may cut or hold. */
export class CutProxy implements AsyncDisposable {
  #sockets = new Set<Socket>()
  /** What the server answers is swallowed, and the connection stays open. */
  swallows = false

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(port: number): Promise<CutProxy> {
    let proxy: CutProxy | undefined
    const server = createServer((near) => proxy!.#join(near, connect(port, '127.0.0.1')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    proxy = new CutProxy(server, address.port)
    return proxy
  }

  #join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (bytes) => far.write(bytes))
    far.on('data', (bytes) => {
      if (!this.swallows) near.write(bytes)
    })
  }

  /** Ends all connections there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

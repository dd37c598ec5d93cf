import { SCRIPTS } from '../../../src/engine/redis/scripts.ts'
import { RedisServer } from '../../redis/redis-server.ts'

/** A command with its arguments, as it is sent. */
export type Request = readonly string[]

/** What a server answered, or the error that it answered instead. */
export type Answer = unknown

/**
 * A real Redis server, which carries out what simulated brokers ask. Scripts take the time as an argument, so
 * that what it answers follows from what it was asked before.
 */
export class Server implements AsyncDisposable {
  private constructor(
    private readonly process: RedisServer,
    private readonly client: Bun.RedisClient,
  ) {}

  static async start(): Promise<Server> {
    const process = await RedisServer.start()
    const client = new Bun.RedisClient(process.url)
    const server = new Server(process, client)
    await server.carryOut(SCRIPTS.map(({ text }) => ['SCRIPT', 'LOAD', text]))
    return server
  }

  /** Carries out requests one after the other, with nothing in between. */
  carryOut(requests: readonly Request[]): Promise<Answer[]> {
    return Promise.all(
      requests.map(([name = '', ...args]) => this.client.send(name, args).catch((error: Error) => error)),
    )
  }

  /** Forgets all data. */
  async empty(): Promise<void> {
    await this.carryOut([['FLUSHALL']])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close()
    await this.process[Symbol.asyncDispose]()
  }
}

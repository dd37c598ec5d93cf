import type { Target } from '../../../../core/redis-target.ts'
import { type ConnectionOptions, connectionOptions } from './options.ts'
import { type ConnectionOwner, type ConnectionState, ServerConnection } from './server-connection.ts'

/** A server to connect to. */
export interface Home {
  /** Tells it from others; empty where there are no others. */
  readonly address: string
  readonly options: ConnectionOptions
}

/** What the owner of all connections gives them, and hears of them. */
export interface ServersOwner extends ConnectionOwner {
  /** The state, who has what, or what a server says of itself. */
  changed(): void
}

/** The servers that share out the keys, and which has which. */
export interface Servers {
  /** `ready` when every slot has a server that is. */
  readonly state: ConnectionState
  /** Why not: one sentence for each reason. */
  readonly faults: readonly string[]
  /** Counts the changes of who has what, from 1. */
  readonly placement: number
  all(): Iterable<ServerConnection>
  slotOf(key: string): number
  /**
   * The server that has a slot; undefined while that is not known.
   *
   * @param ask the address of another one, which is taking it over
   */
  of(slot: number, ask?: string): ServerConnection | undefined
  /** Where to subscribe what is in a slot; undefined while that is not known. */
  home(slot: number): Home | undefined
  /** A key or channel that this server has. @param stem what it begins with */
  markOf(connection: ServerConnection, stem: string): string
  /** A server said that another one has the slot. */
  moved(slot: number, address: string): void
  /** Something does not fit: find out who has what. */
  refresh(): void
  stop(): void
}

/** One server, or the master that the sentinels name: it has all keys. */
export class SingleServer implements Servers {
  readonly placement = 1
  readonly #connection: ServerConnection

  readonly #home: Home

  constructor(target: Target, ca: string | undefined, owner: ServersOwner) {
    this.#home = { address: '', options: connectionOptions(target, ca) }
    this.#connection = new ServerConnection(this.#home.options, 'standalone', owner, owner.changed)
  }

  get state(): ConnectionState {
    return this.#connection.state
  }

  get faults(): readonly string[] {
    return this.#connection.state === 'ready' ? [] : this.#connection.faults
  }

  all(): Iterable<ServerConnection> {
    return [this.#connection]
  }

  slotOf(): number {
    return 0
  }

  of(): ServerConnection {
    return this.#connection
  }

  home(): Home {
    return this.#home
  }

  markOf(_: ServerConnection, stem: string): string {
    return `${stem}:{0}`
  }

  /** A node of a cluster says so, which is unfit here. */
  moved(): void {}

  refresh(): void {}

  stop(): void {
    this.#connection.stop()
  }
}

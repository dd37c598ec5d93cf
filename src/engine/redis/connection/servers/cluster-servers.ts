import { type Endpoint, endpointText, type Target } from '../../../../core/redis-target.ts'
import { connectionOptions } from './options.ts'
import { type ConnectionState, ServerConnection } from './server-connection.ts'
import type { Home, Servers, ServersOwner } from './servers.ts'
import { SLOTS, slotOf } from './slot.ts'

/** How long to wait before the nodes are asked for the slots again, at least, in milliseconds. */
const REFRESH_MS = 250

/**
 * The masters of a cluster, a connection to each. Who has which slot is asked at the start, while something
 * cannot be reached, and after each answer that says that a slot has moved.
 */
export class ClusterServers implements Servers {
  placement = 1
  readonly #target: Target
  readonly #ca: string | undefined
  readonly #owner: ServersOwner
  readonly #connections = new Map<string, ServerConnection>()
  /** The address of the master of each slot. */
  #owners: (string | undefined)[] = Array.from({ length: SLOTS })
  /** The addresses in it; none before the first answer. */
  #masters = new Set<string>()
  #complete = false
  /** Nodes that are taking over slots, and were named since the last refresh. */
  #importing = new Set<string>()
  #refreshing = false
  #wanted = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(target: Target, ca: string | undefined, owner: ServersOwner) {
    this.#target = target
    this.#ca = ca
    this.#owner = owner
    this.#connectSeeds()
  }

  get state(): ConnectionState {
    const states = new Set([...this.all()].map(({ state }) => state))
    if (states.has('unfit')) return 'unfit'
    if (this.#masters.size === 0) return states.has('down') ? 'down' : 'connecting'
    return this.#complete && states.size === 1 && states.has('ready') ? 'ready' : 'down'
  }

  get faults(): readonly string[] {
    const faults = [...this.all()].flatMap(({ state, faults }) => (state === 'ready' ? [] : faults))
    if (this.#masters.size > 0 && !this.#complete)
      faults.push('No node of the cluster has some of the slots.')
    return faults
  }

  all(): ServerConnection[] {
    const masters = [...this.#connections].filter(([address]) => this.#masters.has(address))
    return (this.#masters.size === 0 ? [...this.#connections] : masters).map(([, connection]) => connection)
  }

  slotOf(key: string): number {
    return slotOf(key)
  }

  of(slot: number, ask?: string): ServerConnection | undefined {
    if (ask) {
      this.#importing.add(ask)
      return this.#connect(ask)
    }
    const address = this.#owners[slot]
    return address === undefined ? undefined : this.#connections.get(address)
  }

  home(slot: number): Home | undefined {
    const address = this.#owners[slot]
    if (address === undefined) return undefined
    return { address, options: connectionOptions(this.#target, this.#ca, addressOf(address)) }
  }

  markOf(connection: ServerConnection, stem: string): string {
    for (let number = 0; number < SLOTS; number++)
      if (this.of(slotOf(`{${number}}`)) === connection) return `${stem}:{${number}}`
    return `${stem}:{0}`
  }

  moved(slot: number, address: string): void {
    // A node that does not know its own name leaves out the host.
    if (!address.startsWith(':') && this.#owners[slot] !== address) {
      this.#connect(address)
      const owners = [...this.#owners]
      owners[slot] = address
      this.#place(owners)
    }
    this.refresh()
  }

  refresh(): void {
    this.#wanted = true
    if (!this.#refreshing && this.#timer === undefined) void this.#refresh()
  }

  async #refresh(): Promise<void> {
    this.#wanted = false
    this.#refreshing = true
    const owners = await this.#ask()
    if (this.#stopped) return
    if (owners) {
      this.#place(owners)
      this.#leaveOthers()
    } else this.#connectSeeds()
    this.#refreshing = false
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#wanted || this.state !== 'ready') void this.#refresh()
    }, REFRESH_MS)
  }

  /** @returns the masters of all slots, as the first node that answers knows them */
  async #ask(): Promise<(string | undefined)[] | undefined> {
    const ready = [...this.#connections].filter(([, { state }]) => state === 'ready')
    for (const [address, connection] of ready.sort(() => Math.random() - 0.5)) {
      const answer = await connection.slots().catch(() => undefined)
      if (Array.isArray(answer)) return readSlots(answer, addressOf(address).host)
    }
    return undefined
  }

  #place(owners: (string | undefined)[]): void {
    if (owners.every((address, slot) => address === this.#owners[slot])) return
    const before = this.#masters
    this.#owners = owners
    this.#masters = new Set(owners.filter((address) => address !== undefined))
    this.#complete = !owners.includes(undefined)
    this.placement++
    for (const address of this.#masters) {
      const known = this.#connections.get(address)
      // It may have been a replica when it was asked who it is.
      if (known?.info && known.info.role !== 'master' && !before.has(address)) void known.greet()
      else this.#connect(address)
    }
    this.#owner.changed()
  }

  #leaveOthers(): void {
    const before = this.#connections.size
    for (const [address, connection] of this.#connections) {
      if (this.#masters.has(address) || this.#importing.has(address)) continue
      this.#connections.delete(address)
      connection.stop()
    }
    this.#importing = new Set()
    // Calls that waited there go elsewhere.
    if (this.#connections.size < before) this.#owner.changed()
  }

  /** Something about a connection. */
  #changed(): void {
    if (this.state !== 'ready') this.refresh()
    this.#owner.changed()
  }

  #connectSeeds(): void {
    for (const server of this.#target.endpoints) this.#connect(endpointText(server))
  }

  #connect(address: string): ServerConnection {
    const known = this.#connections.get(address)
    if (known) return known
    const options = connectionOptions(this.#target, this.#ca, addressOf(address))
    const connection = new ServerConnection(options, 'cluster', this.#owner, () => this.#changed())
    this.#connections.set(address, connection)
    return connection
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const connection of this.#connections.values()) connection.stop()
  }
}

/** @param address as a cluster writes it: an IPv6 address has no brackets there */
function addressOf(address: string): Endpoint {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

/**
 * @param answer to `CLUSTER SLOTS`: first and last slot, the master, its replicas
 * @param asked the host that answered, for nodes that do not know their own name
 */
function readSlots(answer: readonly unknown[], asked: string): (string | undefined)[] {
  const owners: (string | undefined)[] = Array.from({ length: SLOTS })
  for (const range of answer as [number, number, [string | null, number]][]) {
    const [first, last, [host, port]] = range
    owners.fill(`${host === null || host === '' || host === '?' ? asked : host}:${port}`, first, last + 1)
  }
  return owners
}

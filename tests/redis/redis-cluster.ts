import { Redis } from 'ioredis'
import { until } from '../harness.ts'
import { freePort, RedisServer } from './redis-server.ts'

const SLOTS = 16_384

export interface ClusterNode {
  readonly server: RedisServer
  /** A connection of the test's own. */
  readonly admin: Redis
  /** By which the nodes know it. */
  readonly id: string
}

/** A cluster of three local masters that share the slots out evenly, each with so many replicas. */
export class RedisCluster implements AsyncDisposable {
  private constructor(
    /** The masters at the start. */
    readonly nodes: readonly ClusterNode[],
    readonly replicas: readonly ClusterNode[],
  ) {}

  static async start(replicas_each = 0): Promise<RedisCluster> {
    const size = 3
    const nodes = await Promise.all(Array.from({ length: size * (1 + replicas_each) }, startNode))
    const cluster = new RedisCluster(nodes.slice(0, size), nodes.slice(size))
    const [first, ...others] = nodes
    for (const [at, { admin }] of cluster.nodes.entries()) {
      const from = Math.floor((at * SLOTS) / size)
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((at + 1) * SLOTS) / size) - 1)
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1)
    }
    const bus = (await first!.admin.config('GET', 'cluster-port')) as string[]
    for (const { admin } of others)
      await admin.call('CLUSTER', 'MEET', '127.0.0.1', first!.server.port, bus[1]!)
    for (const { admin } of cluster.nodes)
      await until(
        'a cluster',
        async () => {
          const info = String(await admin.call('CLUSTER', 'INFO'))
          return info.includes('cluster_state:ok') && info.includes(`cluster_size:${size}`) ? true : undefined
        },
        20_000,
      )
    for (const [at, replica] of cluster.replicas.entries()) await follow(replica, cluster.nodes[at % size]!)
    return cluster
  }

  /** Names the first node only: the others are to be found. */
  get url(): string {
    return `redis+cluster://127.0.0.1:${this.nodes[0]!.server.port}`
  }

  async slotOf(key: string): Promise<number> {
    return Number(await this.nodes[0]!.admin.call('CLUSTER', 'KEYSLOT', key))
  }

  /** The node that has a slot, as it says itself. */
  async ownerOf(slot: number): Promise<ClusterNode> {
    for (const node of this.nodes)
      for (const [first, last, [, , id]] of (await node.admin.call('CLUSTER', 'SLOTS')) as Range[])
        if (first <= slot && slot <= last && id === node.id) return node
    throw new Error(`nobody has slot ${slot}`)
  }

  /**
   * Moves a slot with its keys to another node, as an operator does.
   *
   * @param between called before the first key and after each
   */
  async moveSlot(
    slot: number,
    to: ClusterNode,
    between: () => Promise<void> = async () => {},
  ): Promise<void> {
    const from = await this.ownerOf(slot)
    await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
    await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
    for (;;) {
      await between()
      const keys = (await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[]
      if (keys.length === 0) break
      await from.admin.call('MIGRATE', '127.0.0.1', to.server.port, keys[0]!, 0, 1000)
    }
    const rest = this.nodes.filter((node) => node !== to && node !== from)
    for (const { admin } of [to, from, ...rest]) await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const nodes = [...this.nodes, ...this.replicas]
    for (const { admin } of nodes) admin.disconnect()
    await Promise.all(nodes.map(({ server }) => server[Symbol.asyncDispose]()))
  }
}

type Range = [first: number, last: number, master: [host: string, port: number, id: string]]

async function follow(replica: ClusterNode, master: ClusterNode): Promise<void> {
  await until('the master to be known', async () =>
    String(await replica.admin.call('CLUSTER', 'NODES')).includes(`${master.id} 127`) ? true : undefined,
  )
  await replica.admin.call('CLUSTER', 'REPLICATE', master.id)
  await until(
    'a replica',
    async () =>
      (await replica.admin.info('replication')).includes('master_link_status:up') ? true : undefined,
    20_000,
  )
}

async function startNode(): Promise<ClusterNode> {
  const flags = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    '1000',
    '--repl-diskless-sync-delay',
    '0',
  ]
  const server = await RedisServer.start({ flags: [...flags, '--cluster-port', String(await freePort())] })
  const admin = new Redis(server.url)
  admin.on('error', () => {})
  return { server, admin, id: String(await admin.call('CLUSTER', 'MYID')) }
}

import { afterAll, beforeAll } from 'bun:test'
import { slotOf } from '../../../src/engine/redis/connection/servers/slot.ts'
import { engineContract } from '../../contracts/engine.ts'
import { RedisCluster } from '../../redis/redis-cluster.ts'
import { newRedisEngine } from './instance.ts'

/** Between two moves. */
const PAUSE_MS = 100

let cluster: RedisCluster
let engines = 0
let moving: Promise<void>
let over = false
let moved = 0

beforeAll(async () => {
  cluster = await RedisCluster.start()
  moving = moveSlots()
}, 30_000)
afterAll(async () => {
  over = true
  await moving
  await cluster[Symbol.asyncDispose]()
  // Moves that did not happen prove nothing.
  if (moved < 20) throw new Error(`only ${moved} slots were moved`)
})

/** Moves slots that hold something to the next node, one after the other. */
async function moveSlots(): Promise<void> {
  for (let at = 0; !over; at = (at + 1) % cluster.nodes.length) {
    await Bun.sleep(PAUSE_MS)
    const key = await cluster.nodes[at]!.admin.randomkey()
    if (key === null) continue
    await cluster.moveSlot(slotOf(key), cluster.nodes[(at + 1) % cluster.nodes.length]!)
    moved++
  }
}

engineContract('redis cluster whose slots move', (options) =>
  newRedisEngine(cluster.url, `e${++engines}:`, options),
)

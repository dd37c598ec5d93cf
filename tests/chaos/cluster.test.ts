import { test } from 'bun:test'
import { slotOf } from '../../src/engine/redis/connection/servers/slot.ts'
import { RedisCluster } from '../redis/redis-cluster.ts'
import { ROUNDS } from './rounds.ts'
import { underFire } from './under-fire.ts'

const MOVED = ['live-manual', 'live-auto', 'http-auto', 'mcp-manual', 'later']

test(
  `mailboxes whose slots are moved back and forth lose nothing (${ROUNDS} rounds)`,
  async () => {
    await using cluster = await RedisCluster.start()
    await underFire({ url: cluster.url, waited_ms_max: 5500, silent_ms_max: 5500 }, async ({ pass }) => {
      for (let round = 0; round < ROUNDS * 2; round++)
        for (const client_id of MOVED) {
          const slot = slotOf(`{default:${client_id}}`)
          const owner = await cluster.ownerOf(slot)
          const to = cluster.nodes[(cluster.nodes.indexOf(owner) + 1) % cluster.nodes.length]!
          await cluster.moveSlot(slot, to, () => pass(20))
          await pass(300)
        }
    })
  },
  120_000 + ROUNDS * 60_000,
)

/** Takes a quarter of a minute. */
if (ROUNDS > 1)
  test('a master of a cluster that is killed takes nothing with it', async () => {
    await using cluster = await RedisCluster.start(1)
    // What was written waits for one replica; the shard that has none any more would accept nothing.
    const flags = ['--redis-wait-replicas', '0']
    await underFire(
      { url: cluster.url, flags, waited_ms_max: 8000, silent_ms_max: 8000, may_repeat: true },
      async ({ fleet, pass }) => {
        const owner = await cluster.ownerOf(slotOf('{default:live-auto}'))
        owner.server.process.kill('SIGKILL')
        await pass(4000)
        await fleet.ready()
        await pass()
      },
    )
  }, 120_000)

import { expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { until } from '../harness.ts'
import { Sentinel } from '../redis/sentinel.ts'
import { ROUNDS } from './rounds.ts'
import { type Fire, underFire } from './under-fire.ts'

const DOWN_AFTER_MS = 1000
/** As long nothing of what is written comes to the replicas, until the master is gone. */
const CUT_OFF_MS = 1500
const STOPPED_MS = 5000
/** A failover takes what the sentinels wait, and about as long again; more where the machine is busy. */
const LIMITS = { waited_ms_max: 8000, silent_ms_max: 10_000, may_repeat: true }
const BACK_MS_MAX = 8000

/** The master is killed with what its replicas do not have. */
async function losesMaster(sentinel: Sentinel, pass: Fire['pass']): Promise<void> {
  const master = await sentinel.master()
  const replicas = sentinel.servers.filter((server) => server !== master)
  for (const { process } of replicas) process.kill('SIGSTOP')
  // What lies in the buffers of their connections would arrive after all.
  const admin = new Redis(master.url)
  await admin.call('CLIENT', 'KILL', 'TYPE', 'replica')
  admin.disconnect()
  await pass(CUT_OFF_MS)
  master.process.kill('SIGKILL')
  for (const { process } of replicas) process.kill('SIGCONT')
  await until('another master', async () => ((await sentinel.master()) === master ? undefined : true), 15_000)
}

test(
  `a master that dies before its replicas have what was written takes nothing with it (${ROUNDS} rounds)`,
  async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await using sentinel = await Sentinel.start({ down_after_ms: DOWN_AFTER_MS })
      await underFire({ url: sentinel.url, ...LIMITS }, async ({ fleet, pass }) => {
        await losesMaster(sentinel, pass)
        const killed = performance.now()
        await fleet.ready()
        expect(performance.now() - killed).toBeLessThan(BACK_MS_MAX)
        await pass()
      })
    }
  },
  120_000 * ROUNDS,
)

/** Each takes a quarter of a minute. */
function longForm(): void {
  /** It proves no promise: how much a failover takes where nothing waits for replicas. */
  test('without waiting for replicas, a failover may take some of what was accepted', async () => {
    await using sentinel = await Sentinel.start({ down_after_ms: DOWN_AFTER_MS })
    const flags = ['--redis-wait-replicas', '0']
    await underFire({ url: sentinel.url, flags, ...LIMITS, may_lose: true }, async ({ pass }) => {
      await losesMaster(sentinel, pass)
      await pass(3000)
    })
  }, 120_000)

  test('a master that stands still for a while, and comes back as a replica, takes nothing with it', async () => {
    await using sentinel = await Sentinel.start({ down_after_ms: DOWN_AFTER_MS })
    await underFire({ url: sentinel.url, ...LIMITS }, async ({ fleet, pass }) => {
      const master = await sentinel.master()
      master.process.kill('SIGSTOP')
      await pass(STOPPED_MS)
      master.process.kill('SIGCONT')
      await fleet.ready()
      await pass()
      expect(await sentinel.master()).not.toBe(master)
    })
  }, 120_000)
}

if (ROUNDS > 1) longForm()

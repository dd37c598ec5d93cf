import { expect, test } from 'bun:test'
import { Bench } from './bench.ts'

const SEGMENT_BYTES = 32 * 1024
const SLACK_BYTES = 2 * SEGMENT_BYTES
const MAILBOXES = 40
const DAY_SECONDS = 24 * 3600
const ROUNDS = 120
const SENT_IN_A_ROUND = 120

/** Steps without an end of a segment, after which no more is done. */
const IDLE_STEPS = 8

/** Lets the log be shortened as far as it will be. */
async function settled(bench: Bench): Promise<void> {
  let before = -1
  for (let idle = 0; idle < IDLE_STEPS; idle++) {
    const { bytes, live_bytes } = bench.engine.stats().journal!
    if (bytes <= 1.5 * live_bytes + SLACK_BYTES) return
    if (bytes !== before) idle = 0
    before = bytes
    // Steps have a pause in between.
    await Bun.sleep(6)
    bench.engine.flush()
    await bench.work()
  }
}

test('one message of 30 days in each mailbox pins no segment, and what has expired leaves nothing', async () => {
  const bench = await Bench.start({
    segment_bytes: SEGMENT_BYTES,
    reserve_bytes: 0,
    slack_bytes: SLACK_BYTES,
    limits: { history_messages_max: 5, dead_letters_max: 20 },
  })
  const journal = () => bench.engine.stats().journal!
  for (let n = 0; n < MAILBOXES; n++) expect(bench.send(`m${n}`, 500, 30 * DAY_SECONDS)).toBe('stored')
  let longest = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < SENT_IN_A_ROUND; n++) {
      const mailbox = `m${(round + n) % MAILBOXES}`
      expect(bench.send(mailbox, 300, 5)).toBe('stored')
      // Some are read, and some expire.
      if (n % 10 !== 0) bench.acknowledge(mailbox, bench.last_id)
    }
    bench.take('sender', 'auto')
    await bench.pass(1)
    await settled(bench)
    const { bytes, live_bytes } = journal()
    longest = Math.max(longest, bytes)
    expect([round, bytes <= 2 * live_bytes + 2 * SLACK_BYTES]).toEqual([round, true])
    // What lives is no more than what is there.
    expect(live_bytes).toBeLessThan(JSON.stringify(bench.state).length)
  }
  const written = oldest(bench) * SEGMENT_BYTES
  expect(written).toBeGreaterThan(10 * longest)
  expect(bench.take('m0', 'none', 1)[0]!.offset).toBe(1)

  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  await settled(bench)

  // After these expire, their bounces do.
  for (let n = 0; n < 2; n++) {
    bench.now += 31 * DAY_SECONDS * 1000
    await bench.pass(10)
    await settled(bench)
  }
  expect(bench.engine.stats()).toMatchObject({ pending: 0, history: 0 })
  const { bytes, live_bytes } = journal()
  expect(bytes).toBeLessThanOrEqual(1.5 * live_bytes + SLACK_BYTES)
  expect(bench.reports).toEqual([])
}, 30_000)

/** Number of the oldest segment. */
function oldest({ disk }: Bench): number {
  return Math.min(...disk.list().flatMap(({ name }) => Number.parseInt(name, 10) || []))
}

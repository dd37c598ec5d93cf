import { expect, test } from 'bun:test'
import type { Lease } from '../../src/core/mailbox/entry.ts'
import { LEASED } from '../../src/core/mailbox/entry.ts'
import { type MakeEngine, Rig } from './rig.ts'

/** What a lease is good for once it has ended. */
export function leaseContract(make: MakeEngine): void {
  test('one that is older than the latest delivery settles nothing', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'])
    const first = await leasesOf(rig)
    await rig.pass(60)
    const second = await leasesOf(rig)
    expect([first.of, second.of]).toEqual([[{ offset: 1, attempt: 1 }], [{ offset: 1, attempt: 2 }]])
    for (const failed_delay_ms of [undefined, 0, 1000]) {
      expect(await rig.settle('r', { leases: first, failed_delay_ms })).toEqual({ settled: 0, unknown: [] })
      expect(await rig.found(a!)).toMatchObject([{ state: LEASED, attempts: 2 }])
    }
    expect(rig.acknowledged).toEqual([])
    expect(await rig.settle('r', { leases: second })).toEqual({ settled: 1, unknown: [] })
    await rig.hears(() => rig.acknowledged, [{ client_id: 'r', message_id: a! }])
    expect(await rig.settle('r', { leases: second })).toEqual({ settled: 0, unknown: [] })
  })

  test('one of another history settles nothing', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'])
    const { of } = await leasesOf(rig)
    for (const failed_delay_ms of [undefined, 0])
      expect(await rig.settle('r', { leases: { epoch: 'elsewhere', of }, failed_delay_ms })).toEqual({
        settled: 0,
        unknown: [],
      })
    expect(await rig.found(a!)).toMatchObject([{ state: LEASED }])
  })

  test('one that has ended acknowledges its message while that was not delivered again', async () => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['a', 'b', 'c'])
    const { epoch, of } = await leasesOf(rig)
    await rig.settle('r', { message_ids: [ids[1]!], failed_delay_ms: 1_000_000 })
    await rig.pass(60)
    expect(await rig.engine.stats()).toMatchObject({ pending: 2 })
    // What is no longer leased cannot fail once more.
    const failed = await rig.settle('r', { leases: { epoch, of }, failed_delay_ms: 0 })
    expect(failed).toEqual({ settled: 0, unknown: [] })
    expect(await rig.settle('r', { leases: { epoch, of: of.slice(0, 2) } })).toEqual({
      settled: 2,
      unknown: [],
    })
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), ids.slice(0, 2))
    expect(await rig.take('r')).toEqual(['c'])
  })

  test('each of several is settled by its own attempt', async () => {
    await using rig = await Rig.start(make)
    const [a, b] = await rig.sendAll('r', ['a', 'b'])
    const { epoch, of } = await leasesOf(rig)
    await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })
    expect((await leasesOf(rig)).of).toEqual([{ offset: 1, attempt: 2 }])
    expect((await rig.settle('r', { leases: { epoch, of } })).settled).toBe(1)
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), [b!])
    expect(await rig.found(a!)).toMatchObject([{ state: LEASED, attempts: 2 }])
  })
}

/** Leases everything pending in the mailbox `r`. */
async function leasesOf(rig: Rig): Promise<{ epoch: string; of: Lease[] }> {
  const { due, epoch } = await rig.taken('r', { ack: 'manual' })
  return { epoch, of: due.map(({ offset, attempt }) => ({ offset, attempt })) }
}

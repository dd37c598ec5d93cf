import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkAsync } from '../core/property.ts'
import { type MakeEngine, payloads, Rig } from './rig.ts'

/** What a message goes through when its reader is cut off, replaced, or comes back. */
export function takeoverContract(make: MakeEngine): void {
  test('a cursor acknowledges what its bearer has read, though a takeover gave the lease back', async () => {
    await using rig = await Rig.start(make)
    await rig.checkedIn('r')
    const ids = await rig.sendAll('r', ['a', 'b', 'c'])
    const first = await rig.open('r', undefined, 'auto')
    const due = await rig.read('r', first, { ack: 'manual', limit: 2 })
    const after = { epoch: first.position.epoch, offset: due[0]!.safe_offset }
    await rig.checkedIn('r')
    const resumed = await rig.open('r', after, 'auto')
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), ids.slice(0, 1))
    const again = await rig.read('r', resumed, { ack: 'manual' })
    expect(payloads(again)).toEqual(['b', 'c'])
    expect(again.map(({ attempt }) => attempt)).toEqual([2, 1])
  })

  test('a cursor acknowledges what its bearer has read, though the lease ran out', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    const first = await rig.open('r', undefined, 'auto')
    const [due] = await rig.read('r', first, { ack: 'manual' })
    await rig.pass(61)
    expect((await rig.engine.stats()).pending).toBe(1)
    const after = { epoch: first.position.epoch, offset: due!.safe_offset }
    const resumed = await rig.open('r', after, 'auto')
    expect(await rig.read('r', resumed, { ack: 'manual' })).toEqual([])
    expect(await rig.engine.stats()).toMatchObject({ pending: 0, leased: 0, history: 1 })
  })

  test('a message that its reader has given back comes again, whatever cursor it has', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'])
    const first = await rig.open('r', undefined, 'auto')
    await rig.read('r', first, { ack: 'manual' })
    await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })
    await rig.checkedIn('r')
    const resumed = await rig.open('r', { epoch: first.position.epoch, offset: 1 }, 'auto')
    expect(payloads(await rig.read('r', resumed, { ack: 'manual' }))).toEqual(['a'])
  })

  test('a takeover is no failure: no number of them kills a message', async () => {
    await using rig = await Rig.start(make, { attempts_max: 2 })
    await rig.sendAll('r', ['a'])
    const attempts: number[] = []
    for (let flap = 0; flap < 5; flap++) {
      await rig.checkedIn('r')
      for (const { attempt } of await rig.lease('r')) attempts.push(attempt)
    }
    expect(attempts).toEqual([1, 2, 3, 4, 5])
    await rig.checkedIn('r', { join: 'reader' })
    await rig.end('r')
    expect((await rig.lease('r')).map(({ attempt }) => attempt)).toEqual([6])
    expect(rig.died).toEqual([])
  })

  test('attempts go on counting when a dead letter is requeued', async () => {
    await using rig = await Rig.start(make, { attempts_max: 2 })
    const [a] = await rig.sendAll('r', ['a'])
    for (const expected of [1, 2, 3, 4]) {
      if (expected === 3) expect((await rig.requeue()).requeued).toEqual([a!])
      expect(await rig.lease('r')).toEqual([{ id: a!, attempt: expected }])
      await rig.settle('r', { failed_delay_ms: 0 })
    }
    expect(await rig.dead()).toEqual(['a attempts_exhausted'])
    expect((await rig.found(a!))[0]).toMatchObject({ attempts: 4 })
  })

  test('however often a reader is cut off and replaced, nothing it has comes twice and nothing is lost', async () => {
    const flaps = fc.array(
      fc.record({ sends: fc.nat(4), reads: fc.nat(5), arrives: fc.nat(5), confirms: fc.boolean() }),
      { maxLength: 12 },
    )
    await checkAsync(50, flaps, async (history) => {
      await using rig = await Rig.start(make, { attempts_max: 1 })
      const arrived: unknown[] = []
      let cursor: { epoch: string; offset: number } | undefined
      let sent = 0
      for (const { sends, reads, arrives, confirms } of [...history, WHOLE]) {
        for (let n = 0; n < sends; n++) await rig.sendAll('r', [sent++])
        await rig.checkedIn('r')
        const opened = await rig.open('r', cursor, 'auto')
        expect(opened.recovered).toBeTrue()
        // The connection breaks after all of `written` was written, and some of it has arrived.
        const written = await rig.read('r', opened, { ack: 'manual', limit: reads })
        for (const due of written.slice(0, arrives)) {
          arrived.push(...payloads([due]))
          cursor = { epoch: opened.position.epoch, offset: due.safe_offset }
        }
        const leases = { epoch: opened.position.epoch, of: written.slice(0, arrives) }
        if (confirms) await rig.settle('r', { leases })
      }
      expect(arrived).toEqual(Array.from({ length: sent }, (_, n) => n))
      expect(rig.died).toEqual([])
    })
  })
}

/** A reader that stays connected to the end. */
const WHOLE = { sends: 0, reads: 1000, arrives: 1000, confirms: true }

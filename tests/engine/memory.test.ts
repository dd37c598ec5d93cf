import { describe, expect, test } from 'bun:test'
import { engineContract } from '../contracts/engine.ts'
import { PROJECT, Rig } from '../contracts/rig.ts'
import { makeMemoryEngine } from './make.ts'

engineContract('memory', makeMemoryEngine)

describe('the memory engine', () => {
  test('answers at once', async () => {
    await using rig = await Rig.start(makeMemoryEngine)
    const message = rig.message()
    expect(rig.engine.append(PROJECT, message, 'r')).not.toBeInstanceOf(Promise)
    expect(rig.announced.length).toBe(1)
    const take = { limit: 1, bytes_max: 1, ack: 'auto' } as const
    expect(rig.engine.read(rig.at('r'), undefined, take)).not.toBeInstanceOf(Promise)
    expect(rig.acknowledged.length).toBe(1)
  })

  test('hands out the message it was given, encoded once for all its mailboxes', async () => {
    await using rig = await Rig.start(makeMemoryEngine)
    const message = rig.broadcast()
    await rig.engine.appendToMany(PROJECT, [{ message, recipients: ['a', 'b'] }])
    const taken = [(await rig.taken('a')).due[0], (await rig.taken('b')).due[0]]
    expect(taken.map((due) => due!.message === message)).toEqual([true, true])
  })

  test('announces to readers who have yet to read no more than once, unless each is wanted', async () => {
    await using rig = await Rig.start(makeMemoryEngine)
    rig.wants_each = false
    const opened = await rig.open('r', undefined, 'manual')
    const offsets = () => rig.announced.map(({ offset }) => offset)
    await rig.sendAll('r', ['a', 'b'])
    expect(offsets()).toEqual([1])
    expect((await rig.read('r', opened, { limit: 1, ack: 'manual' })).length).toBe(1)
    await rig.sendAll('r', ['c', 'd'])
    expect(offsets()).toEqual([1, 3])
    // Readers are past the offset of a message that is pending again: without an announcement they miss it.
    await rig.settle('r', { failed_delay_ms: 0 })
    expect(offsets()).toEqual([1, 3, 1])
    rig.wants_each = true
    await rig.sendAll('r', ['e'])
    expect(offsets()).toEqual([1, 3, 1, 5])
  })
})

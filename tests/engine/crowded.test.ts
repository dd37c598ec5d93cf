import { describe, expect, test } from 'bun:test'
import { Rig } from '../contracts/rig.ts'
import { makeMemoryEngine } from './make.ts'

describe('an engine that runs out of room', () => {
  test('an address forgotten to make room, and used again, is not forgotten when the first one was due', async () => {
    const times = { ttl_seconds: 1000, forget_seconds: 100 }
    await using rig = await Rig.start(makeMemoryEngine, { clients_max: 1, ...times })
    await rig.checkedIn('a')
    await rig.end('a')
    await rig.checkedIn('b')
    expect(await rig.clientIds()).toEqual(['b'])
    await rig.end('b')
    await rig.checkedIn('a')
    await rig.sendAll('a', ['mail'])
    await rig.pass(99)
    await rig.heard('a')
    await rig.pass(2)
    expect(await rig.clientIds()).toEqual(['a'])
    expect(await rig.take('a')).toEqual(['mail'])
  })

  test('a requeue offers each letter once, though what it pushes out pushes out the oldest letters', async () => {
    await using rig = await Rig.start(makeMemoryEngine, {
      mailbox_messages_max: 4,
      mailbox_overflow: 'drop_oldest',
      dead_letters_max: 4,
    })
    await rig.sendAll('r', [1, 2, 3, 4, 5, 6, 7, 8])
    const { requeued } = await rig.engine.requeue('p', {})
    expect(requeued.length).toBe(4)
    expect(await rig.take('r')).toEqual([1, 2, 3, 4])
    const { items } = await rig.engine.dead('p', {}, { limit: 10 })
    expect(items.map(({ message }) => JSON.parse(message.json).payload)).toEqual([8, 7, 6, 5])
  })

  test('a reader is told when what it is due was overwritten just before it reads', async () => {
    await using rig = await Rig.start(makeMemoryEngine, { history_messages_max: 2 })
    const behind = await rig.open('r', undefined, 'none')
    await rig.sendAll('r', [1, 2, 3, 4])
    await rig.take('r')
    rig.now += 1000
    const read = await rig.readOn('r', behind.position, { ack: 'none' })
    expect(read.lapped).toBe(true)
  })

  test('a reader is told when what it is due was overwritten by its own read', async () => {
    await using rig = await Rig.start(makeMemoryEngine, { history_messages_max: 2 })
    const reader = await rig.open('r', undefined, 'auto')
    await rig.sendAll('r', [1, 2])
    await rig.take('r')
    await rig.sendAll('r', [3], { priority: 'urgent' })
    rig.now += 1000
    const due = await rig.read('r', reader)
    const { lapped } = await rig.readOn('r', reader.position)
    expect([due.length, lapped]).toEqual([3, false])
  })
})

import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { createMessage, type StoredMessage } from '../../../src/core/message.ts'
import { readCall, settleCall } from '../../../src/engine/redis/mailbox/calls.ts'
import { Lanes } from '../../../src/engine/redis/mailbox/lanes.ts'
import { readAnnouncements } from '../../../src/engine/redis/mailbox/text.ts'
import type { Run } from '../../../src/engine/redis/script.ts'
import { clientCall } from '../../../src/engine/redis/sessions/calls.ts'
import type { Address } from '../../../src/engine/values.ts'
import { Random } from '../../simulation/random.ts'
import { Bench } from './bench.ts'
import { argsAt, PLACE } from './place.ts'

let bench: Bench
const NOW = 1_700_000_000_000
const READER = { project: 'p', client_id: 'r' }
const EVERYTHING = { limit: 1000, bytes_max: 1e9, ack: 'manual' } as const

beforeAll(async () => {
  bench = await Bench.start()
})
beforeEach(() => bench.redis.flushall())
afterAll(() => bench[Symbol.asyncDispose]())

interface Rig {
  readonly lanes: Lanes
  readonly calls: string[]
  readonly announced: number[]
}

function rig(run: Run, instance = 'i1'): Rig {
  const calls: string[] = []
  const announced: number[] = []
  const lanes = new Lanes({
    run: (script, keys, args) => {
      calls.push(script.name)
      return run(script, keys, args)
    },
    prefix: 'x:',
    publish: () => 'PUBLISH',
    instance,
    now: () => NOW,
    limits: () => ({ ...DEFAULT_LIMITS, mailbox_messages_max: 500 }),
    noted: (address, { published }) => {
      if (published) for (const { offset } of readAnnouncements(published, address)) announced.push(offset)
    },
  })
  return { lanes, calls, announced }
}

function message(payload: unknown): StoredMessage {
  return createMessage({ payload }, 'sender', 'r', Bun.randomUUIDv7(), NOW, 60)
}

async function append(lanes: Lanes, payload: unknown, to: Address = READER): Promise<string> {
  const answer = await lanes.append(to, { message: message(payload), attempts: 0 }, 'e1')
  return typeof answer === 'string' ? answer : answer.outcome
}

async function lease(lanes: Lanes, from: Address = READER) {
  const read = await lanes.call(from, readCall(undefined, EVERYTHING))
  if (typeof read === 'string') throw new Error(read)
  const payloads = read.due.map(({ message: { json } }) => JSON.parse(json).payload as unknown)
  return { epoch: read.epoch, of: read.due, payloads }
}

test('appends of one turn go in one call, and each has its own outcome', async () => {
  const { lanes, calls, announced } = rig(bench.run)
  const outcomes = await Promise.all([
    append(lanes, 1),
    append(lanes, 'x'.repeat(DEFAULT_LIMITS.mailbox_bytes_max)),
    append(lanes, 2),
  ])
  expect(outcomes).toEqual(['stored', 'too_large', 'stored'])
  expect(calls).toEqual(['append'])
  expect(announced).toEqual([1, 2])
})

test('a call takes its place behind those before it, and appends behind it do not join those before', async () => {
  const { lanes, calls } = rig(bench.run)
  const first = append(lanes, 1)
  const read = lease(lanes)
  const second = append(lanes, 2)
  await Promise.all([first, second])
  expect((await read).payloads).toEqual([1])
  expect(calls).toEqual(['append', 'read', 'append'])
})

test('a call for a mailbox that is not there says so, and those behind it go on', async () => {
  const { lanes } = rig(bench.run)
  const unknown = lanes.append(READER, { message: message(1), attempts: 0 }, undefined)
  const known = append(lanes, 2)
  expect(await unknown).toBe('unknown')
  expect(await known).toBe('stored')
})

test('a slot that moves to another node of a cluster has lost nothing; a node that was lost may have', async () => {
  let generation = 'a1/aa/00'
  const { lanes, announced } = rig((script, keys, args) =>
    bench.run(script, keys, argsAt({ ...PLACE, generation }, args)),
  )
  await append(lanes, 1)
  generation = 'b1/bb/00'
  await append(lanes, 2)
  generation = 'a1/aa/00'
  await append(lanes, 3)
  expect(announced).toEqual([1, 2, 3])
  const jumped = 2 ** 20
  // A replica has taken over from the first one.
  generation = 'c1/cc/aa'
  await append(lanes, 4)
  expect(announced.at(-1)).toBe(jumped + 4)
  // It was started again, from what it had on its disk.
  generation = 'c1/c2/00'
  await append(lanes, 5)
  expect(announced.at(-1)).toBe(2 * jumped + 5)
})

test('a call that fails rejects, and those behind it go on', async () => {
  let fails = true
  const { lanes } = rig((script, keys, args) => {
    if (!fails) return bench.run(script, keys, args)
    fails = false
    return Promise.reject(new Error('no connection'))
  })
  const first = append(lanes, 1)
  const read = lanes.call(READER, clientCall(READER))
  const second = append(lanes, 2)
  await expect(first).rejects.toThrow('no connection')
  expect(await read).toBe('unknown')
  expect(await second).toBe('stored')
})

test('calls whose answers are lost are made again: each message is stored and read once', async () => {
  const random = new Random(7)
  /** As a connection that breaks: some calls are not carried out, of some the answer is lost. */
  const unreliable: Run = async (script, keys, args) => {
    for (;;) {
      const chance = random.next()
      if (chance < 0.2) continue
      const answer = await bench.run(script, keys, args)
      if (chance > 0.4) return answer
    }
  }
  const instances = [rig(unreliable, 'i1'), rig(unreliable, 'i2')]
  const addresses = ['a', 'b', 'c'].map((client_id) => ({ project: 'p', client_id }))
  const sends: Promise<string>[] = []
  const read = new Map<string, unknown[]>(addresses.map(({ client_id }) => [client_id, []]))
  const readings: Promise<void>[] = []
  const readSome = async (lanes: Lanes, address: Address) => {
    const { epoch, of, payloads } = await lease(lanes, address)
    read.get(address.client_id)!.push(...payloads)
    const settled = await lanes.call(address, settleCall({ leases: { epoch, of } }))
    expect(settled).toMatchObject({ settled: payloads.length })
  }
  for (let n = 0; n < 300; n++) {
    const { lanes } = random.pick(instances)
    const address = random.pick(addresses)
    // One instance sends to each mailbox, so that there is an order.
    sends.push(append(instances[addresses.indexOf(address) % 2]!.lanes, n, address))
    if (random.chance(0.1)) readings.push(readSome(lanes, address))
    if (random.chance(0.2)) await Promise.all(sends)
  }
  expect(new Set(await Promise.all(sends))).toEqual(new Set(['stored']))
  await Promise.all(readings)
  const all: unknown[] = []
  for (const address of addresses) {
    await readSome(instances[0]!.lanes, address)
    all.push(...read.get(address.client_id)!)
  }
  expect(all.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 300 }, (_, n) => n))
})

test('a call that is made again after a failover names the history of its new server', async () => {
  const { lanes, announced } = rig(async (script, keys, args) => {
    await bench.run(script, keys, argsAt({ ...PLACE, generation: 'g1' }, args))
    await bench.redis.flushall()
    // What the new master has of it: a mailbox, and nothing in it.
    await append(rig(bench.run, 'i9').lanes, 0)
    return bench.run(script, keys, argsAt({ ...PLACE, generation: 'g2' }, args))
  })
  await append(lanes, 1)
  expect(announced).toEqual([2 ** 20 + 2])
})

test('after a failover, which may have lost messages, no offset is given out again', async () => {
  let generation = 'g1'
  const { lanes, announced } = rig((script, keys, args) =>
    bench.run(script, keys, argsAt({ ...PLACE, generation }, args)),
  )
  await append(lanes, 1)
  generation = 'g2'
  await append(lanes, 2)
  await append(lanes, 3)
  // A server that was master before is known, and nothing jumps.
  generation = 'g1'
  await append(lanes, 4)
  expect(announced).toEqual([1, 2 ** 20 + 2, 2 ** 20 + 3, 2 ** 20 + 4])
  expect((await lease(lanes)).payloads).toEqual([1, 2, 3, 4])
})

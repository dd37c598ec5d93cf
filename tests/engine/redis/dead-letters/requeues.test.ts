import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { DEFAULT_LIMITS, type Limits } from '../../../../src/core/limits.ts'
import { MemoryEngine } from '../../../../src/engine/memory/memory.ts'
import { CLAIM, FINISH } from '../../../../src/engine/redis/dead-letters/scripts.ts'
import { type Run, script } from '../../../../src/engine/redis/script.ts'
import { sweepCall } from '../../../../src/engine/redis/sessions/calls.ts'
import { Random } from '../../../simulation/random.ts'
import { Bench } from '../bench.ts'
import { Cut, delayed, failing } from './faults.ts'
import { EPOCH, Instance, PROJECT } from './instances.ts'

let bench: Bench
let prefixes = 0
let now = 1_700_000_000_000
/** After this a claim is taken for abandoned. */
const LATER_MS = 11_000

beforeAll(async () => {
  bench = await Bench.start()
})

afterAll(() => bench[Symbol.asyncDispose]())

/** Also of letters that are in no list. */
const COUNT_LETTERS = script('count', `return redis.call('HLEN', KEYS[3])`)

/** Makes instances that share all keys, with nothing in them yet. */
function cluster(limits: Partial<Limits> = {}) {
  const prefix = `q${prefixes++}:`
  return (name: string, run: Run = bench.run, scanned_max = 1000) =>
    new Instance(run, {
      prefix,
      scanned_max,
      name,
      limits: { ...DEFAULT_LIMITS, attempts_max: 1, ...limits },
      now: () => now,
    })
}

/** Who sent what waits in a mailbox, in order. */
async function waiting(by: Instance, client_id: string): Promise<string[]> {
  return (await by.waiting(client_id)).map(({ message }) => message.sender_id)
}

async function listed(by: Instance): Promise<string[]> {
  return (await by.listed()).map(({ recipient_id, message }) => `${recipient_id} ${message.sender_id}`)
}

/** Three letters for a mailbox with room for two, and one for another. */
async function crowdedLetters(by: Instance): Promise<void> {
  await by.kill('r', 'a', 'b')
  await by.drain('r')
  await by.kill('q', 'z')
  await by.drain('q')
  await by.kill('r', 'c')
  await by.drain('r')
}

test('letters go back in order, and none overtakes one that found no room', async () => {
  const a = cluster({ mailbox_messages_max: 2 })('a')
  await crowdedLetters(a)
  const all = await a.listed()
  const [first, second, other, third] = all.map(({ message }) => message.message_id)
  expect(await a.requeue()).toEqual({
    requeued: [first!, second!, other!],
    refused: [third!],
    next: undefined,
  })
  expect(await waiting(a, 'r')).toEqual(['a', 'b'])
  expect(await waiting(a, 'q')).toEqual(['z'])
  expect(await listed(a)).toEqual(['r c'])
  expect((await a.dead.totals(PROJECT)).bytes).toBe(all[3]!.message.bytes)
})

test('a letter that is requeued twice keeps its time to live', async () => {
  const a = cluster()('a')
  await a.kill('r', 's')
  for (let round = 0; round < 3; round++) {
    now += 100_000
    await a.drain('r')
    await a.requeue()
    const [due] = await a.waiting('r')
    expect(due!.message.expires_ms - now).toBe(600_000)
    expect(due!.message.ttl_ms).toBe(600_000)
    expect(due!.attempt).toBe(round + 1)
    await a.fail('r')
  }
})

test('what was appended in the name of requeues and outboxes is known for a day', async () => {
  const a = cluster()('a')
  await a.kill('r', 's')
  await a.drain('r')
  await a.requeue()
  const carried = async (client_id: string) => {
    const fields = (await a.run(FIELDS, client_id)) as string[]
    return fields.filter((field) => /^call:(requeue|outbox:r:e)$/.test(field)).length
  }
  for (const [hours, known] of [
    [23, 1],
    [1, 0],
  ] as const) {
    now += hours * 3_600_000
    for (const client_id of ['r', 's']) {
      await a.send(client_id, 'later')
      await a.call(client_id, sweepCall({ project: PROJECT, client_id }, DEFAULT_LIMITS))
      expect(await carried(client_id)).toBe(known)
    }
  }
})

const FIELDS = script('fields', `return redis.call('HKEYS', KEYS[1])`)

test('what is refused is dropped where it does not fit any more', async () => {
  const instance = cluster({ mailbox_messages_max: 1, dead_letters_max: 3 })
  const b = instance('b')
  await b.kill('r', 'a', 'b', 'c')
  await b.drain('r')
  const a = instance('a', async (script, keys, args) => {
    if (script === FINISH) {
      await b.kill('q', 'y', 'z')
      await b.drain('q')
    }
    return bench.run(script, keys, args)
  })
  await a.requeue()
  expect(await listed(a)).toEqual(['r c', 'q y', 'q z'])
  expect(await a.dead.totals(PROJECT)).toEqual({ count: 3, bytes: a.grown + b.grown, dropped: 1 })
})

test('what is refused is dropped, too, where newer letters had to go meanwhile', async () => {
  const instance = cluster({ mailbox_messages_max: 1, dead_letters_bytes_max: 1500 })
  const b = instance('b')
  await b.kill('r', 'a')
  await b.drain('r')
  await b.send('r', 'full')
  const a = instance('a', async (script, keys, args) => {
    if (script === FINISH)
      for (const [sender, size] of [
        ['large', 900],
        ['less', 600],
      ] as const) {
        await b.send('q', sender, size)
        await b.fail('q')
        await b.drain('q')
      }
    return bench.run(script, keys, args)
  })
  await a.requeue()
  expect(await listed(a)).toEqual(['q less'])
  expect(await a.dead.totals(PROJECT)).toEqual({ count: 1, bytes: a.grown + b.grown, dropped: 2 })
  expect(await a.dead.run(COUNT_LETTERS, PROJECT, [])).toBe(1)
})

test('requeues of one instance are made one after the other, and go on after one that failed', async () => {
  let run = bench.run
  const a = cluster()('a', (...call) => run(...call))
  await a.kill('r', 'a', 'b', 'c')
  await a.drain('r')
  const [first, second] = (await a.listed()).map(({ message }) => message.message_id)
  const both = [first!, second!].map((id) => a.requeue({ message_ids: new Set([id]) }))
  expect((await Promise.all(both)).map(({ requeued }) => requeued)).toEqual([[first!], [second!]])
  run = failing(bench.run, 1, 'before')
  await expect(a.requeue()).rejects.toThrow(Cut)
  run = bench.run
  expect(await a.requeue()).toMatchObject({ refused: [] })
  expect(await waiting(a, 'r')).toEqual(['a', 'b', 'c'])
})

test('an instance that was taken over ends no later claim', async () => {
  const instance = cluster({ mailbox_messages_max: 2 })
  const b = instance('b')
  await crowdedLetters(b)
  const a = instance('a', async (script, keys, args) => {
    if (script === FINISH) {
      now += LATER_MS
      await b.takeOver()
      const c = instance('c', failing(bench.run, 2, 'before'))
      await c.requeue().catch(() => undefined)
    }
    return bench.run(script, keys, args)
  })
  await a.requeue()
  now += LATER_MS
  await b.takeOver()
  expect(await listed(b)).toEqual(['r c'])
})

test('letters of a recipient are requeued by one instance at a time', async () => {
  const instance = cluster()
  const a = instance('a', failing(bench.run, 2, 'before'))
  const b = instance('b')
  await b.kill('r', 'a', 'b')
  await b.kill('q', 'z')
  await b.drain('r')
  await b.drain('q')
  const all = (await b.listed()).map(({ message }) => message.message_id)
  await a.requeue({ message_ids: new Set([all[0]!]) }).catch(() => undefined)
  now += 1000
  expect(await b.takeOver()).toBe(now + 9001)
  expect(await b.requeue()).toMatchObject({
    requeued: [all[2]!],
    refused: [all[1]!],
  })
  expect(await listed(b)).toEqual(['r b'])
  now += LATER_MS
  expect(await b.takeOver()).toBe(Number.POSITIVE_INFINITY)
  expect(await waiting(b, 'r')).toEqual(['a'])
  expect(await listed(b)).toEqual(['r b'])
})

test('a recipient that was refused in one part is left alone in all later ones', async () => {
  const instance = cluster()
  const a = instance('a', failing(bench.run, 2, 'before'))
  const b = instance('b')
  await b.kill('r', 'a', 'b')
  await b.drain('r')
  await b.kill('q', ...Array.from({ length: 500 }, () => 'mcp-broker'))
  await b.drain('q')
  const [first] = await b.listed()
  const filter = { message_ids: new Set([first!.message.message_id]) }
  await a.requeue(filter).catch(() => undefined)
  const { next } = await b.requeue()
  expect(JSON.parse(next!).full).toEqual(['r'])
})

test('a recipient that was refused is left alone in the same part, too', async () => {
  const instance = cluster()
  const d = instance('d')
  await d.kill('r', 'a', 'b', 'c')
  await d.drain('r')
  const [first] = await d.listed()
  const filter = { message_ids: new Set([first!.message.message_id]) }
  const a = instance('a', failing(bench.run, 2, 'before'))
  await a.requeue(filter).catch(() => undefined)
  let claims = 0
  const run: Run = async (called, keys, args) => {
    const answer = await bench.run(called, keys, args)
    if (called === CLAIM && ++claims === 1) {
      now += LATER_MS
      await d.takeOver()
    }
    return answer
  }
  await instance('b', run, 1).requeue()
  expect(claims).toBe(2)
  expect(await listed(d)).toEqual(['r b', 'r c'])
})

test.each(['r', 'q'])('a recipient that cannot be reached (%s) holds up no other', async (unreachable) => {
  const instance = cluster()
  const a = instance('a', failing(bench.run, 2, 'before'))
  const b = instance('b')
  await crowdedLetters(b)
  await a.requeue().catch(() => undefined)
  b.unreachable.add(unreachable)
  now += LATER_MS
  await expect(b.takeOver()).rejects.toThrow('unreachable')
  if (unreachable === 'r') expect(await waiting(b, 'q')).toEqual(['z'])
  else expect(await waiting(b, 'r')).toEqual(['a', 'b', 'c'])
  b.unreachable.clear()
  now += LATER_MS
  await b.takeOver()
  expect(await waiting(b, 'r')).toEqual(['a', 'b', 'c'])
  expect(await waiting(b, 'q')).toEqual(['z'])
  expect(await listed(b)).toEqual([])
})

describe('a requeue that fails at any call', () => {
  for (const when of ['before', 'after'] as const)
    for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      test(`${at}, ${when} it is carried out, is finished by others`, async () => {
        const instance = cluster({ mailbox_messages_max: 2 })
        const [b, c] = [instance('b'), instance('c')]
        await crowdedLetters(b)
        const a = instance('a', failing(bench.run, at, when))
        await a.requeue().catch(() => undefined)
        now += LATER_MS
        await Promise.all([b.takeOver(), c.takeOver()])
        const begun = at > 1 || when === 'after'
        expect(await waiting(b, 'r')).toEqual(begun ? ['a', 'b'] : [])
        expect(await waiting(b, 'q')).toEqual(begun ? ['z'] : [])
        expect(await listed(b)).toEqual(begun ? ['r c'] : ['r a', 'r b', 'q z', 'r c'])
        expect((await b.waiting('r')).map(({ attempt }) => attempt)).toEqual(begun ? [1, 1] : [])
        expect(await b.dead.run(COUNT_LETTERS, PROJECT, [])).toBe((await b.listed()).length)
        const { count, bytes } = await b.dead.totals(PROJECT)
        expect(count).toBe((await b.listed()).length)
        expect(bytes).toBe((await b.listed()).reduce((sum, { message }) => sum + message.bytes, 0))
      })
    }
})

test('a requeue that is only slow, and is taken over, leaves each letter in one place', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed)
    const instance = cluster({ mailbox_messages_max: 2 })
    const [a, b, c] = ['a', 'b', 'c'].map((name) => instance(name, delayed(bench.run, random)))
    await crowdedLetters(instance('z'))
    const slow = a!.requeue()
    for (let turns = random.between(0, 40); turns > 0; turns--) await new Promise(setImmediate)
    now += LATER_MS
    await Promise.all([slow, b!.takeOver(), c!.takeOver()])
    expect(await waiting(b!, 'r')).toEqual(['a', 'b'])
    expect(await waiting(b!, 'q')).toEqual(['z'])
    expect(await listed(b!)).toEqual(['r c'])
  }
}, 60_000)

test('a requeue of many letters goes on part by part, as with the memory engine', async () => {
  const limits = { mailbox_messages_max: 400 }
  const a = cluster(limits)('a')
  const model = new MemoryEngine({
    limits: () => ({ ...DEFAULT_LIMITS, ...limits, attempts_max: 1 }),
    now: () => now,
    newId: () => 'none',
    newEpoch: () => EPOCH,
  })
  const ignore = () => undefined
  model.start({
    wants_each: false,
    announced: ignore,
    acknowledged: ignore,
    died: ignore,
    session: ignore,
    record: ignore,
    missed: ignore,
  })
  for (const client_id of ['r', 'q', 'r', 'q', 'r']) {
    for (let i = 0; i < 300; i++) {
      await a.kill(client_id, 'mcp-broker')
      const address = { project: PROJECT, client_id }
      model.append(PROJECT, a.sent.at(-1)!, client_id)
      model.read(address, undefined, { limit: 1, bytes_max: 1e6, ack: 'manual' })
      model.settle(address, { failed_delay_ms: 0 })
    }
    await a.drain(client_id)
  }
  let next: string | undefined
  let parts = 0
  do {
    const expected = model.requeue(PROJECT, {}, next)
    expect(await a.requeue({}, next)).toEqual(expected)
    next = expected.next
    parts++
  } while (next !== undefined)
  expect(parts).toBe(3)
  expect(await listed(a)).toHaveLength(700)
}, 60_000)

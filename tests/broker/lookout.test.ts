import { expect, test } from 'bun:test'
import { Following } from '../../src/broker/following.ts'
import { Hub } from '../../src/broker/hub.ts'
import { Lookout } from '../../src/broker/lookout.ts'
import { Sessions } from '../../src/broker/sessions.ts'
import { Waiters, type Woken } from '../../src/broker/waiters.ts'
import { StorageFailed } from '../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { Address, Announcement, Latest } from '../../src/engine/values.ts'
import { until } from '../harness.ts'

const at = (client_id: string) => ({ project: 'p', client_id })
const LATER_MS = 1000

/** A lookout over an engine that says what the test wants to have happened. */
class Rig {
  now = 0
  /** What the engine says, by client. */
  readonly latest = new Map<string, Latest>()
  /** What it was asked, one list for each question. */
  readonly asked: string[][] = []
  readonly ended: string[] = []
  readonly reported: unknown[] = []
  fails = false
  gate: Promise<void> | undefined
  readonly following = new Following(() => undefined)
  readonly waiters = new Waiters(10_000, this.following)
  readonly engine: MemoryEngine
  readonly sessions: Sessions
  readonly lookout: Lookout

  constructor(elsewhere = true) {
    this.engine = new MemoryEngine({
      limits: () => DEFAULT_LIMITS,
      now: () => this.now,
      newId: () => crypto.randomUUID(),
      newEpoch: () => 'e',
    })
    const memory = this.engine
    memory.start({
      wants_each: true,
      announced() {},
      acknowledged() {},
      died() {},
      session() {},
      record() {},
      missed() {},
    })
    const latest = async (addresses: readonly Address[]) => {
      this.asked.push(addresses.map(({ client_id }) => client_id))
      await this.gate
      if (this.fails) throw new StorageFailed('no connection')
      return addresses.map(({ client_id }) => this.latest.get(client_id) ?? NOTHING)
    }
    const engine: Engine = elsewhere ? Object.assign(memory, { latest }) : memory
    this.sessions = new Sessions(engine, () => this.now, DEFAULT_LIMITS)
    const report = (fault: unknown) => void this.reported.push(fault)
    const hub = new Hub(report, () => undefined, this.following)
    const { following, waiters, sessions } = this
    this.lookout = new Lookout(
      { engine, following, hub, waiters, sessions },
      ({ session_id }, end) => {
        this.sessions.ended(session_id, end)
        this.ended.push(`${session_id} ${end}`)
      },
      report,
    )
  }

  has(client_id: string, changes: number, session_id?: string, epoch = 'e'): void {
    this.latest.set(client_id, { epoch, changes, session_id })
  }

  tell(client_id: string, changes: number, epoch = 'e'): void {
    const place = { ...at(client_id), epoch, offset: changes, changes, redelivery: false }
    const announcement: Announcement = {
      ...place,
      message_id: 'm',
      sender_id: 's',
      in_reply_to: undefined,
      rank: 1,
    }
    this.lookout.announced(announcement)
  }

  /** One second later, until the engine has answered. */
  async look(): Promise<void> {
    this.now += LATER_MS
    this.lookout.tend(this.now)
    // Each answer takes some promises.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** A call that waits for something that never comes. */
  wait(client_id: string): { woken: Woken | undefined } {
    const wait: { woken: Woken | undefined } = { woken: undefined }
    void this.waiters
      .wait(at(client_id), 3_600_000, undefined, () => undefined)
      .then((woken) => {
        wait.woken = woken
      })
    return wait
  }

  /** One that was looked at already, and waits. */
  async waitsAt(client_id: string, changes: number): Promise<{ woken: Woken | undefined }> {
    this.following.enter(at(client_id))
    this.has(client_id, changes)
    await this.look()
    return this.wait(client_id)
  }

  [Symbol.dispose](): void {
    this.waiters.close()
  }
}

const NOTHING: Latest = { epoch: '0', changes: 0, session_id: undefined }

test('the first look has all look who are there, since nobody knows what came before', async () => {
  using rig = new Rig()
  const wait = rig.wait('a')
  rig.has('a', 7)
  await rig.look()
  expect(wait.woken).toBe('missed')
  expect(rig.lookout.found).toBe(0)
})

test('a change is lost if one look sees it and it is still untold at the next', async () => {
  using rig = new Rig()
  const wait = await rig.waitsAt('a', 7)
  rig.has('a', 8)
  await rig.look()
  // It may be on its way.
  expect(wait.woken).toBeUndefined()
  await rig.look()
  expect(wait.woken).toBe('missed')
  expect(rig.lookout.found).toBe(1)
  const after = rig.wait('a')
  await rig.look()
  await rig.look()
  expect(after.woken).toBeUndefined()
})

test('a change that was told wakes nobody, nor does one that comes twice or between two looks', async () => {
  using rig = new Rig()
  const wait = await rig.waitsAt('a', 7)
  rig.has('a', 9)
  rig.tell('a', 8)
  rig.tell('a', 8)
  await rig.look()
  rig.tell('a', 9)
  rig.has('a', 10)
  await rig.look()
  rig.tell('a', 10)
  await rig.look()
  expect(wait.woken).toBeUndefined()
})

test('an announcement after a gap does not hide what was lost before it', async () => {
  using rig = new Rig()
  const wait = await rig.waitsAt('a', 7)
  rig.tell('a', 9)
  rig.has('a', 9)
  await rig.look()
  await rig.look()
  expect(wait.woken).toBe('missed')
})

test('a mailbox that began anew is told from its first change on, and found where that was lost', async () => {
  using rig = new Rig()
  const wait = await rig.waitsAt('a', 7)
  rig.tell('a', 1, 'f')
  rig.tell('a', 2, 'f')
  rig.has('a', 2, undefined, 'f')
  await rig.look()
  await rig.look()
  expect(wait.woken).toBeUndefined()
  rig.has('a', 2, undefined, 'g')
  await rig.look()
  await rig.look()
  expect(wait.woken).toBe('missed')
})

test('a session that does not hold its address any more ends here', async () => {
  using rig = new Rig()
  const handles = ['a', 'b', 'c'].map((name) =>
    rig.sessions.handle({ ...at(name), session_id: `of ${name}` }),
  )
  rig.has('a', 1, 'another')
  rig.has('b', 1)
  rig.has('c', 1, 'of c')
  await rig.look()
  expect(rig.ended).toEqual(['of a replaced', 'of b closed'])
  expect(handles.map(({ ended }) => ended)).toEqual(['replaced', 'closed', undefined])
  await rig.look()
  expect(rig.asked.at(-1)).toEqual(['c'])
  expect(rig.ended.length).toBe(2)
})

test('a session that began while the engine was asked is not ended by an older answer', async () => {
  using rig = new Rig()
  rig.following.enter(at('a'))
  rig.has('a', 1, 'before')
  const gate = Promise.withResolvers<void>()
  rig.gate = gate.promise
  await rig.look()
  const handle = rig.sessions.handle({ ...at('a'), session_id: 'newer' })
  gate.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect(handle.ended).toBeUndefined()
})

test('a look comes a second after the last, and never beside another', async () => {
  using rig = new Rig()
  rig.following.enter(at('a'))
  const gate = Promise.withResolvers<void>()
  rig.gate = gate.promise
  await rig.look()
  await rig.look()
  expect(rig.asked.length).toBe(1)
  gate.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  await rig.look()
  rig.lookout.tend(rig.now + LATER_MS - 1)
  expect(rig.asked.length).toBe(2)
})

test('many addresses are asked for in parts, and an engine that tells everything is asked nothing', async () => {
  using rig = new Rig()
  for (let i = 0; i < 1201; i++) rig.following.enter(at(`a${i}`))
  await rig.look()
  await until('three questions', () => (rig.asked.length === 3 ? true : undefined))
  expect(rig.asked.map(({ length }) => length)).toEqual([500, 500, 201])
  using here = new Rig(false)
  here.following.enter(at('a'))
  await here.look()
  expect(here.asked).toEqual([])
})

test('a look that fails is reported once, until one succeeds', async () => {
  using rig = new Rig()
  rig.following.enter(at('a'))
  rig.fails = true
  await rig.look()
  await rig.look()
  expect(rig.reported.length).toBe(1)
  rig.fails = false
  await rig.look()
  rig.fails = true
  await rig.look()
  expect(rig.reported.length).toBe(2)
})

test('word that anything may be lost has all look, and asks for each session', async () => {
  using rig = new Rig(false)
  rig.engine.checkin({
    ...at('a'),
    resume: undefined,
    join: undefined,
    key_id: undefined,
    name: undefined,
    capabilities: undefined,
  })
  const holder = rig.engine.client('p', at('a'))!.session!
  const held = rig.sessions.handle(holder)
  const replaced = rig.sessions.handle({ ...at('a'), session_id: 'older' })
  const closed = rig.sessions.handle({ ...at('b'), session_id: 'nobody' })
  const wait = rig.wait('c')
  rig.lookout.missed()
  await new Promise((resolve) => setImmediate(resolve))
  expect(wait.woken).toBe('missed')
  expect([held, replaced, closed].map(({ ended }) => ended)).toEqual([undefined, 'replaced', 'closed'])
})

import { describe, expect, test } from 'bun:test'
import { Registry } from '../../../src/broker/protocols/registry.ts'
import type { RegisteredProtocol } from '../../../src/core/protocol/definition.ts'
import type { Engine, EngineEvents, Records } from '../../../src/engine/engine.ts'
import { MemoryRecords } from '../../../src/engine/memory/records.ts'
import { startBroker, until } from '../../harness.ts'
import { type Slowness, slowEngine } from '../../slow-engine.ts'
import { checkIn, MAIL, refusalOf, register, run, texts } from './rig.ts'

const NOTE = { name: 'note', version: '1.0.0', schema: texts('text') }
const SEND = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'note', payload: { text: 'x' } }

/** Records that several brokers share; each hears of every change, unless it is deaf. */
class Shared {
  readonly #heard: EngineEvents['record'][] = []
  readonly records = new MemoryRecords((...change) => {
    for (const heard of this.#heard) heard(...change)
  })

  /** @param how how late the engine is, and how often each event comes */
  around(how: Slowness, deaf: () => boolean = () => false): (engine: Engine) => Engine {
    return (engine) => {
      const shared = new Proxy(engine, {
        get: (target, name) => {
          if (name === 'records') return this.records
          if (name === 'start') return (events: EngineEvents) => this.#start(target, events, deaf)
          const member: unknown = Reflect.get(target, name)
          return typeof member === 'function' ? member.bind(target) : member
        },
      })
      return slowEngine(shared, how)
    }
  }

  #start(engine: Engine, events: EngineEvents, deaf: () => boolean) {
    this.#heard.push((...change) => {
      if (!deaf()) events.record(...change)
    })
    return engine.start(events)
  }
}

/** The versions of a protocol that a broker knows of. */
async function versionsAt(app: Parameters<typeof run>[0], name: string): Promise<string[]> {
  const { protocols } = await run<{ protocols: { version: string }[] }>(app, 'discover_protocols', { name })
  return protocols.map(({ version }) => version)
}

function knows(app: Parameters<typeof run>[0], name: string, versions: readonly string[]) {
  return until(`${name} ${versions.join(', ')}`, async () =>
    (await versionsAt(app, name)).join() === versions.join() ? true : undefined,
  )
}

describe('two brokers that share records', () => {
  for (const doubles of [false, true])
    test(`hear of what the other registers, late${doubles ? ' and twice' : ''}`, async () => {
      const shared = new Shared()
      let turn = 0
      const how = { turns: () => turn++ % 4, doubles: () => doubles }
      await using a = await startBroker({ protocol_mode: 'registered' }, shared.around(how))
      await using b = await startBroker({ protocol_mode: 'registered' }, shared.around(how))
      expect(await refusalOf(run(b, 'send_message', SEND))).toMatchObject({ code: 'unknown_protocol' })
      await register(a, NOTE)
      await knows(b, 'note', ['1.0.0'])
      expect(await refusalOf(run(b, 'send_message', { ...SEND, payload: 7 }))).toMatchObject({
        code: 'payload_invalid',
      })
      await register(b, { ...NOTE, version: '2.0.0', schema: texts('title') })
      await knows(a, 'note', ['2.0.0', '1.0.0'])
      await run(a, 'deprecate_protocol', { name: 'note', version: '2.0.0', message: 'No.' })
      const warned = await until('the deprecation', async () => {
        const named = { ...SEND, protocol_version: '2.0.0', payload: { title: 'x' } }
        const { warnings } = await run<{ warnings: string[] }>(b, 'send_message', named)
        return warnings.find((warning) => warning.includes('deprecated'))
      })
      expect(warned).toBe('note 2.0.0 is deprecated: No.')
    })

  test('read everything again when events were lost', async () => {
    const shared = new Shared()
    let deaf = true
    await using a = await startBroker({}, shared.around({ turns: () => 1 }))
    await using b = await startBroker(
      {},
      shared.around({ turns: () => 1 }, () => deaf),
    )
    expect(await versionsAt(b, 'note')).toEqual([])
    await register(a, NOTE)
    expect(await versionsAt(b, 'note')).toEqual([])
    deaf = false
    b.broker.missed()
    await knows(b, 'note', ['1.0.0'])
  })

  test('read everything again when one change could not be read', async () => {
    const shared = new Shared()
    let failed = 0
    const fails = (method: string) => (method === 'get' && failed++ === 0 ? 'before' : undefined)
    await using a = await startBroker({}, shared.around({ turns: () => 1 }))
    await using b = await startBroker({}, shared.around({ turns: () => 1, fails }))
    expect(await versionsAt(b, 'note')).toEqual([])
    await register(a, NOTE)
    await knows(b, 'note', ['1.0.0'])
    expect(failed).toBeGreaterThan(0)
  })

  test('which register the same version at once: one wins; the same definition is the same answer', async () => {
    const shared = new Shared()
    await using a = await startBroker({}, shared.around({ turns: () => 2 }))
    await using b = await startBroker({}, shared.around({ turns: () => 1 }))
    const same = await Promise.all([a, b].map((app) => run(app, 'register_protocol', NOTE)))
    expect(same.map(({ created }) => created).sort()).toEqual([false, true])
    const other = { ...NOTE, name: 'other' }
    const done = await Promise.allSettled([
      run(a, 'register_protocol', other),
      run(b, 'register_protocol', { ...other, schema: texts('title') }),
    ])
    expect(done.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(done.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'protocol_taken' },
    })
    const schemas = await Promise.all(
      [a, b].map(async (app) => (await run(app, 'discover_protocols', { name: 'other' })).protocols),
    )
    expect(schemas[0]).toEqual(schemas[1])
  })

  test('and one of them loads while the other registers', async () => {
    const shared = new Shared()
    let turn = 0
    await using a = await startBroker({}, shared.around({ turns: () => 0 }))
    await using b = await startBroker({}, shared.around({ turns: () => (turn = (turn * 7 + 3) % 5) }))
    const versions = Array.from({ length: 30 }, (_, i) => `${i + 1}.0.0`)
    const registering = register(a, ...versions.map((version) => ({ ...NOTE, version })))
    let over = false
    const loading = (async () => {
      while (!over) {
        b.broker.missed()
        await Promise.all([versionsAt(b, 'note'), versionsAt(b, 'note')])
      }
    })()
    await registering
    over = true
    await loading
    await knows(b, 'note', versions.toReversed().slice(0, 20))
  })
})

const at = (version: string): RegisteredProtocol => ({
  ...NOTE,
  version,
  capabilities: [],
  metadata: {},
  adapters: [],
  registered_ms: 1,
})

/** Records whose pages come when they are told to. */
function gated(records: MemoryRecords, gate: Promise<void>): Records {
  return {
    get: async (...args) => records.get(...args),
    put: async (...args) => records.put(...args),
    list: async (...args) => {
      const page = structuredClone(records.list(...args))
      await gate
      return page
    },
  }
}

test('a change that is told of at any moment of a load is known after it', async () => {
  for (let moment = 0; moment < 20; moment++) {
    const records: MemoryRecords = new MemoryRecords((...change) => registry.changed(...change))
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const registry = new Registry(gated(records, gate), false, Date.now)
    records.put('protocol', 'p', 'note/1.0.0', at('1.0.0'), 0)
    const loaded = registry.of('p')
    open()
    for (let i = 0; i < moment; i++) await undefined
    records.put('protocol', 'p', 'note/2.0.0', at('2.0.0'), 0)
    await loaded
    const known = async () => (await registry.of('p')).family('note')!.newest.map(({ version }) => version)
    await until(
      `2.0.0, told of at moment ${moment}`,
      async () => ((await known()).join() === '2.0.0,1.0.0' ? true : undefined),
      200,
    )
  }
})

test('who asks after changes were missed gets no answer from before', async () => {
  const records: MemoryRecords = new MemoryRecords(() => undefined)
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const registry = new Registry(gated(records, gate), false, Date.now)
  const before = registry.of('p')
  records.put('protocol', 'p', 'note/1.0.0', at('1.0.0'), 0)
  registry.missed()
  const after = registry.of('p')
  open()
  expect((await before).names()).toEqual([])
  expect((await after).names()).toEqual(['note'])
  expect((await registry.of('p')).names()).toEqual(['note'])
})

test('a registration whose answer is lost is found when it is made again', async () => {
  let failing = true
  const how: Slowness = {
    turns: () => 1,
    fails: (method) => (method === 'put' && failing ? 'after' : undefined),
  }
  await using app = await startBroker({}, (engine) => slowEngine(engine, how))
  await expect(run(app, 'register_protocol', NOTE)).rejects.toThrow('put failed')
  failing = false
  expect(await run(app, 'register_protocol', NOTE)).toMatchObject({ created: false, updated: false })
  await register(app, ...MAIL)
  await checkIn(app, 'bob')
  expect(await versionsAt(app, 'mail')).toEqual(['3.0.0', '2.0.0', '1.0.0'])
})

test('a failure to read is told to the caller, and the next one reads again', async () => {
  let failing = false
  const how: Slowness = {
    turns: () => 1,
    fails: (method) => (method === 'list' && failing ? 'before' : undefined),
  }
  await using app = await startBroker({}, (engine) => slowEngine(engine, how))
  failing = true
  await expect(run(app, 'send_message', SEND)).rejects.toThrow('list failed')
  failing = false
  await register(app, NOTE)
  await run(app, 'send_message', SEND)
})

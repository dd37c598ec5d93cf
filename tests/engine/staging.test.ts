import { describe, expect, test } from 'bun:test'
import { StorageFailed } from '../../src/core/errors.ts'
import type { MaybePromise } from '../../src/core/maybe-promise.ts'
import { BROKER_CLIENT_ID } from '../../src/core/message.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import { engineContract } from '../contracts/engine.ts'
import { type MakeEngine, PROJECT, payloadOf, Rig } from '../contracts/rig.ts'

let epochs = 0

function engineWith(commit: () => MaybePromise<void>): MakeEngine {
  return ({ limits, now }) =>
    new MemoryEngine({
      limits,
      now,
      newId: () => crypto.randomUUID(),
      newEpoch: () => `s${(epochs++).toString(36)}`,
      commit,
    })
}

const KEPT_APART: ReadonlySet<string> = new Set<keyof Engine>(['start', 'stop', 'flush'])

/** An engine that is flushed after each call: any may store something, since messages die and bounce. */
const flushedAtOnce: MakeEngine = (options) => {
  const engine = engineWith(() => undefined)(options) as Engine
  return new Proxy(engine, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        const answer = member.apply(target, args)
        if (KEPT_APART.has(String(name))) return answer
        target.flush()
        // What the first flush drops has its bounces stored by the next.
        target.flush()
        return answer
      }
    },
  })
}

engineContract('memory, flushed after each call', flushedAtOnce)

/** A commit that waits until the test lets it succeed or fail. */
class Commits {
  readonly begun: PromiseWithResolvers<void>[] = []
  readonly commit = (): Promise<void> => {
    const begun = Promise.withResolvers<void>()
    this.begun.push(begun)
    return begun.promise
  }
}

/** What a mailbox shows of itself. */
async function seen(rig: Rig, client_id = 'r') {
  const mailbox = await rig.client(client_id)
  const { deliveries } = await rig.engine.history(rig.at(client_id), {}, 100, 1_000_000)
  return {
    last: mailbox?.last,
    pending: mailbox?.pending,
    payloads: deliveries.map((d) => payloadOf(d.message)),
  }
}

/** @returns how a flush ended */
function outcome(flushed: MaybePromise<void>): Promise<string> {
  return Promise.resolve(flushed).then(
    () => 'stored',
    (error) => (error instanceof StorageFailed ? 'failed' : String(error)),
  )
}

describe('an engine that commits', () => {
  test('shows an append to nobody before its commit has succeeded', async () => {
    const commits = new Commits()
    await using rig = await Rig.start(engineWith(commits.commit))
    const ids = await rig.sendAll('r', ['a', 'b'])
    const opened = await rig.open('r', undefined, 'auto')
    const flushed = rig.engine.flush()
    expect(flushed).toBeInstanceOf(Promise)
    expect(await seen(rig)).toEqual({ last: 0, pending: 0, payloads: [] })
    expect(await rig.read('r', opened)).toEqual([])
    expect(await rig.take('r')).toEqual([])
    expect(await rig.found(ids[0]!)).toEqual([])
    expect(rig.announced).toEqual([])
    commits.begun[0]!.resolve()
    await flushed
    expect(rig.announced.map(({ message_id }) => message_id)).toEqual(ids)
    expect((await rig.read('r', opened)).map(({ message }) => payloadOf(message))).toEqual(['a', 'b'])
  })

  test('undoes the appends of a commit that fails, whether it throws or rejects', async () => {
    for (const fail of [() => Promise.reject(new Error('no')), fault]) {
      await using rig = await Rig.start(engineWith(fail))
      await rig.send('r', { payload: 'lost' }, 'k')
      expect(await outcome(Promise.try(() => rig.engine.flush()))).toBe('failed')
      expect(await seen(rig)).toEqual({ last: 0, pending: 0, payloads: [] })
      expect((await rig.engine.stats()).stored_bytes).toBe(0)
      await rig.engine.sweep()
      expect((await rig.engine.stats()).clients).toBe(0)
    }
  })

  test('runs one commit at a time, and a flush waits for the one under way even if nothing came since', async () => {
    const commits = new Commits()
    await using rig = await Rig.start(engineWith(commits.commit))
    await rig.sendAll('r', ['a'])
    const ended: string[] = []
    const note = (name: string, flushed: MaybePromise<void>) =>
      void outcome(flushed).then((how) => ended.push(`${name} ${how}`))
    note('first', rig.engine.flush())
    note('empty', rig.engine.flush())
    await rig.sendAll('r', ['b'])
    note('second', rig.engine.flush())
    await Bun.sleep(0)
    expect([commits.begun.length, ended]).toEqual([1, []])
    commits.begun[0]!.reject(new Error('no'))
    await rig.hears(() => commits.begun.length, 2)
    expect(ended).toEqual(['first failed'])
    commits.begun[1]!.resolve()
    await rig.hears(() => commits.begun.length, 3)
    commits.begun[2]!.resolve()
    await rig.hears(() => ended, ['first failed', 'empty stored', 'second stored'])
    expect((await seen(rig)).payloads).toEqual(['b'])
  })

  test('takes an idempotency key at once, and forgets it when the send is undone', async () => {
    const commits = new Commits()
    await using rig = await Rig.start(engineWith(commits.commit))
    const send = () =>
      rig.engine.append(PROJECT, rig.message({ payload: 'a' }), 'r', { key: 'k', digest: 'd' }) as {
        outcome: string
      }
    expect([send().outcome, send().outcome]).toEqual(['stored', 'repeated'])
    const first = outcome(rig.engine.flush())
    // A repeat that comes during the commit shares its fate: else it would be told of a message that is gone.
    expect(send().outcome).toBe('repeated')
    const second = outcome(rig.engine.flush())
    commits.begun[0]!.reject(new Error('no'))
    expect([await first, await second]).toEqual(['failed', 'failed'])
    expect(send().outcome).toBe('stored')
    const third = outcome(rig.engine.flush())
    commits.begun.at(-1)!.resolve()
    expect(await third).toBe('stored')
    expect(send().outcome).toBe('repeated')
    expect((await seen(rig)).payloads).toEqual(['a'])
  })

  test('keeps bounces staged when a commit fails, and commits them with the next batch', async () => {
    let fails = true
    const commit = () => {
      if (fails) throw new Error('no')
    }
    await using rig = await Rig.start(engineWith(commit))
    await rig.sendAll('r', ['before'])
    await rig.sendAll('r', ['bounce'], { sender_id: BROKER_CLIENT_ID })
    await rig.sendAll('r', ['after'])
    expect(() => rig.engine.flush()).toThrow(StorageFailed)
    await rig.sendAll('r', ['next'])
    fails = false
    rig.engine.flush()
    expect((await seen(rig)).payloads).toEqual(['bounce', 'next'])
    await rig.expectBytesOf('r')
  })

  test('puts requeued dead letters back in their order when a commit fails', async () => {
    let fails = false
    const commit = () => {
      if (fails) throw new Error('no')
    }
    await using rig = await Rig.start(engineWith(commit))
    await rig.sendAll('r', ['a', 'b', 'c'], { ttl_seconds: 10 })
    await rig.engine.flush()
    await rig.pass(10)
    const before = await rig.dead()
    fails = true
    const message_ids = new Set([rig.died[0]!.message.message_id, rig.died[2]!.message.message_id])
    expect((await rig.requeue({ message_ids })).requeued.length).toBe(2)
    expect(await rig.dead()).toEqual(['b expired'])
    expect(() => rig.engine.flush()).toThrow(StorageFailed)
    expect(await rig.dead()).toEqual(before)
    fails = false
    await rig.engine.flush()
    expect((await rig.requeue()).requeued.length).toBe(3)
    await rig.engine.flush()
    expect(await rig.take('r')).toEqual(['a', 'b', 'c'])
  })

  test('counts what is staged against the mailbox, and drops the oldest only at the commit', async () => {
    await using full = await Rig.start(
      engineWith(() => undefined),
      { mailbox_messages_max: 2 },
    )
    await full.sendAll('r', ['a', 'b'])
    expect((await full.send('r')).deliveries[0]!.outcome).toBe('full')
    await using rig = await Rig.start(
      engineWith(() => undefined),
      {
        mailbox_messages_max: 2,
        mailbox_overflow: 'drop_oldest',
      },
    )
    await rig.sendAll('r', ['a', 'b'])
    rig.engine.flush()
    await rig.sendAll('r', ['c'])
    expect((await seen(rig)).payloads).toEqual(['a', 'b'])
    rig.engine.flush()
    expect((await seen(rig)).payloads).toEqual(['b', 'c'])
    expect(await rig.dead()).toEqual(['a overflowed'])
  })

  test('rewrites what is stored, and neither what is staged nor into its room', async () => {
    const unit = 300
    await using rig = await Rig.start(
      engineWith(() => undefined),
      { mailbox_bytes_max: 3 * unit },
    )
    // No letter of an id, which is hexadecimal.
    const padded = (letter: string) => {
      const { bytes } = rig.broadcast({ payload: '' })
      return letter.repeat(unit - bytes)
    }
    await rig.sendAll('r', [padded('x')])
    rig.engine.flush()
    const staged = rig.broadcast({ payload: padded('y') })
    await rig.engine.append(PROJECT, staged, 'r')
    const { epoch, deliveries } = await rig.engine.history(rig.at('r'), {}, 100, 1_000_000)
    const [{ offset, message }] = deliveries as [(typeof deliveries)[number]]
    const longer = (by: number) => message.json.replace('xx', 'x'.repeat(2 + by))
    const rewrite = async (offset: number, before: string, after: string) =>
      (await rig.engine.rewrite(rig.at('r'), { epoch, messages: [{ offset, before, after }] })).outcomes[0]
    expect(await rewrite(offset + 1, staged.json, staged.json.replace('yy', 'z'))).toBe('gone')
    expect(await rewrite(offset, message.json, longer(unit + 1))).toBe('no_room')
    expect(await rewrite(offset, message.json, longer(unit))).toBe('rewritten')
    expect((await rig.engine.stats()).stored_bytes).toBe(3 * unit)
    rig.engine.flush()
    expect((await seen(rig)).payloads).toEqual([padded('x') + 'x'.repeat(unit), padded('y')])
    expect(await rig.dead()).toEqual([])
    await rig.expectBytesOf('r')
  })

  test('has room for a shorter message, however much is staged', async () => {
    await using rig = await Rig.start(
      engineWith(() => undefined),
      { mailbox_bytes_max: 500, mailbox_overflow: 'drop_oldest' },
    )
    await rig.sendAll('r', ['long'])
    rig.engine.flush()
    await rig.sendAll('r', ['x'.repeat(250)])
    const { epoch, deliveries } = await rig.engine.history(rig.at('r'), {}, 100, 1_000_000)
    const [{ offset, message }] = deliveries as [(typeof deliveries)[number]]
    const rewrite = async (payload: string) => {
      const messages = [
        { offset, before: message.json, after: message.json.replace('"long"', `"${payload}"`) },
      ]
      return (await rig.engine.rewrite(rig.at('r'), { epoch, messages })).outcomes
    }
    expect([await rewrite('longer'), await rewrite('s')]).toEqual([['no_room'], ['rewritten']])
  })

  test('is healthy while appends are staged, and its probe does not publish them', async () => {
    await using rig = await Rig.start(engineWith(() => undefined))
    await rig.sendAll('r', ['a'])
    expect(await rig.engine.health()).toEqual({ ok: true })
    expect(await seen(rig)).toEqual({ last: 0, pending: 0, payloads: [] })
  })

  test('does not forget an address for which a message is staged', async () => {
    await using rig = await Rig.start(engineWith(() => undefined))
    await rig.sendAll('r', ['a'], { ttl_seconds: 100 })
    rig.engine.flush()
    await rig.take('r')
    await rig.sendAll('r', ['b'], { ttl_seconds: 1_000 })
    await rig.pass(200)
    rig.engine.flush()
    expect((await seen(rig)).payloads).toEqual(['b'])
  })
})

function fault(): never {
  throw new Error('no')
}

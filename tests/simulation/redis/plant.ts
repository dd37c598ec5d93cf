import type { Engine } from '../../../src/engine/engine.ts'
import { appendCall } from '../../../src/engine/redis/mailbox/calls.ts'
import { Lanes } from '../../../src/engine/redis/mailbox/lanes.ts'
import type { Latest } from '../../../src/engine/values.ts'
import type { Bug } from './faults.ts'

/** How old an answer from a cache may be. */
const CACHED_MS = 10_000

/** @returns an engine that has a bug, if that is one of engines */
export function plantIn(engine: Engine, bug: Bug | undefined, now: () => number): Engine {
  if (bug === 'no_look') return changed(engine, { latest: undefined })
  if (bug === 'acked_unsent')
    return changed(engine, {
      read: (address, position, take) =>
        engine.read(address, position, take.ack === 'none' ? take : { ...take, ack: 'auto' }),
    })
  if (bug !== 'old_look') return engine
  const known = new Map<string, { readonly since_ms: number; readonly latest: Latest }>()
  return changed(engine, {
    latest: (addresses) =>
      Promise.all(
        addresses.map(async (address) => {
          const cached = known.get(address.client_id)
          if (cached && now() - cached.since_ms < CACHED_MS) return cached.latest
          const [latest] = await engine.latest!([address])
          known.set(address.client_id, { since_ms: now(), latest: latest! })
          return latest!
        }),
      ),
  })
}

function changed(engine: Engine, own: { readonly [K in keyof Engine]?: Engine[K] | undefined }): Engine {
  return new Proxy(engine, {
    get: (target, name) => {
      if (name in own) return Reflect.get(own, name)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** Until it is disposed of, no call for a mailbox waits for another. */
export function withoutLines(): Disposable {
  const { append, call } = Lanes.prototype
  const numbers = new WeakMap<Lanes, number>()
  Lanes.prototype.call = function (address, what, as) {
    const number = (numbers.get(this) ?? 0) + 1
    numbers.set(this, number)
    // biome-ignore lint/complexity/useLiteralKeys: it is private
    const options = this['options']
    return call.call(new Lanes(options), address, what, as ?? { instance: options.instance, number }) as never
  }
  Lanes.prototype.append = async function (address, message, epoch) {
    const answer = await this.call(address, appendCall([message], epoch))
    return typeof answer === 'string' ? answer : { ...answer, outcome: answer.outcomes[0]! }
  }
  return {
    [Symbol.dispose]() {
      Object.assign(Lanes.prototype, { append, call })
    },
  }
}

import type { Engine } from '../../src/engine/engine.ts'

/** What an engine answers to with a promise, where it keeps things elsewhere. */
const ANSWERS: ReadonlySet<string> = new Set<keyof Engine>([
  'append',
  'appendToMany',
  'open',
  'read',
  'settle',
  'history',
  'find',
  'dead',
  'checkin',
  'client',
  'clients',
  'end',
])

/**
 * The same engine, but its answers to `method` come only when the gate is open. It does things at once and
 * in order.
 *
 * @param asked is told of each call of the method
 */
export function gatedEngine(
  engine: Engine,
  method: keyof Engine,
  gate: Promise<void>,
  asked: () => void,
): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== method) return member.bind(target)
      return async (...args: unknown[]) => {
        asked()
        const answer = member.apply(target, args)
        await gate
        return answer
      }
    },
  })
}

/**
 * The same engine as if it were elsewhere: it does things at once and in order, but its answers take a turn
 * or two.
 */
export function slowEngine(engine: Engine, turns: () => number): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (!ANSWERS.has(String(name))) return member.bind(target)
      return async (...args: unknown[]) => {
        const answer = member.apply(target, args)
        for (let left = turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
        return answer
      }
    },
  })
}

import type { Engine, EngineEvents, Records } from '../../src/engine/engine.ts'

/**
 * The same engine, which refuses whatever crosses the seam and is no plain value: an argument, an answer, or
 * what an event tells. The engine is given frozen copies, and what it hands out is frozen for good, so that
 * neither side changes it afterwards.
 */
export function plainEngine(engine: Engine): Engine {
  const records = checked(engine.records, (answer) => answer) as Records
  const start = (events: EngineEvents) => engine.start(plainEvents(events))
  return new Proxy(checked(engine, frozen) as Engine, {
    get: (target, name) =>
      name === 'records' ? records : name === 'start' ? start : Reflect.get(target, name),
  })
}

/** @param pass what becomes of an answer once it was checked */
function checked(target: object, pass: <T>(answer: T) => T): object {
  return new Proxy(target, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        // Their getters are allowed: a test counts by means of them what an engine reads.
        const copies = expectPlain(args, `arguments of ${String(name)}`, true)
        const answered = <T>(answer: T): T => {
          expectPlain(answer, `answer of ${String(name)}`)
          return pass(answer)
        }
        const answer: unknown = member.apply(target, frozen(copies))
        return answer instanceof Promise ? answer.then(answered) : answered(answer)
      }
    },
  })
}

function plainEvents(events: EngineEvents): EngineEvents {
  return new Proxy(events, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        expectPlain(args, `event ${String(name)}`)
        for (const arg of args) frozen(arg)
        member.apply(target, args)
      }
    },
  })
}

/**
 * Checks that a value consists of primitives, plain objects, arrays, sets and maps, and equals its structured
 * clone.
 *
 * @param accessors whether objects may have getters, which are data in the clone
 * @returns the clone
 * @throws Error says where it does not
 */
export function expectPlain<T>(value: T, what: string, accessors = false): T {
  const fault = faultOf(value, accessors)
  if (fault) throw new Error(`${what}${fault}`)
  const clone = structuredClone(value)
  if (!Bun.deepEquals(value, clone, true)) throw new Error(`${what}: differs from its clone`)
  return clone
}

/** Where a value is not plain, and what is there instead. */
function faultOf(value: unknown, accessors: boolean): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return `: a ${typeof value}`
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof Set || value instanceof Map) {
    const fault = faultOf([...value], accessors)
    return fault && ` has${fault}`
  }
  const is_array = Array.isArray(value)
  if (Object.getPrototypeOf(value) !== (is_array ? Array.prototype : Object.prototype))
    return `: an instance of ${(value.constructor as { name?: string } | undefined)?.name}`
  const names = Reflect.ownKeys(value)
  if (is_array && names.length !== value.length + 1) return ': an array with holes or names'
  for (const name of names) {
    if (typeof name === 'symbol') return `.${String(name)}: named by a symbol`
    const property = Object.getOwnPropertyDescriptor(value, name)!
    const is_data = !property.get && !property.set
    if (!is_data && !accessors) return `.${name}: an accessor`
    const fault = is_data ? faultOf(property.value, accessors) : undefined
    if (fault) return `.${name}${fault}`
  }
  return undefined
}

/** The same value, frozen in depth; sets and maps excepted, which cannot be. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of Object.values(value)) frozen(member)
  return value
}

import { jsonFlaw } from '../../json.ts'
import { Budget, RESULT_BYTES_MAX } from './budget.ts'
import { Trouble } from './failure.ts'
import { type Container, indexOf, type Place, placeAt, placesOf } from './places.ts'
import type { Part } from './pointer.ts'

/** How many arrays and objects of a payload may be nested in each other. */
export const DEPTH_MAX = 64

/** Units of a number or another value without parts: 30 bytes are enough for any number and a comma. */
const SCALAR_UNITS = 5
/** Moving so many items of an array by one place costs as much as a visit. */
const ITEMS_MOVED_PER_VISIT = 128

/** A copy of a payload that operations work on. Its methods throw {@link Trouble} when a bound is passed. */
export class Draft extends Budget {
  /** The payload is its only member, so that the whole payload is a place like any other. */
  private readonly holder: Record<string, unknown> = {}

  /** @param payload is copied, never changed */
  constructor(payload: unknown) {
    super()
    this.holder[''] = this.copy(payload)
  }

  get payload(): unknown {
    return this.holder['']
  }

  /** See {@link placesOf}. */
  places(parts: readonly Part[]): Place[] {
    return placesOf(this, this.holder, parts)
  }

  /** See {@link placeAt}. */
  place(parts: readonly Part[], indexes: readonly number[]): Place {
    this.visit()
    return placeAt(this.holder, parts, indexes)
  }

  /** A deep copy; members named `__proto__` stay members. */
  copy(value: unknown, depth = 0): unknown {
    this.visit()
    if (typeof value !== 'object' || value === null) {
      this.write(typeof value === 'string' ? value.length + 1 : SCALAR_UNITS)
      return value
    }
    if (depth === DEPTH_MAX) throw new Trouble(`The payload is nested more than ${DEPTH_MAX} deep.`)
    this.write(1)
    if (Array.isArray(value)) {
      const list: unknown[] = []
      for (const item of value) list.push(this.copy(item, depth + 1))
      return list
    }
    const object = {}
    for (const name of Object.keys(value)) {
      this.write(name.length + 1)
      assign(object, name, this.copy((value as Record<string, unknown>)[name], depth + 1))
    }
    return object
  }

  /** Whether two values are the same JSON: members in any order, numbers by value. RFC 6902, section 4.6. */
  equal(one: unknown, other: unknown): boolean {
    this.visit()
    if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null)
      return one === other
    if (Array.isArray(one) || Array.isArray(other)) {
      if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false
      return one.every((item, index) => this.equal(item, other[index]))
    }
    const names = Object.keys(one)
    if (names.length !== Object.keys(other).length) return false
    const [first, second] = [one as Record<string, unknown>, other as Record<string, unknown>]
    return names.every((name) => Object.hasOwn(other, name) && this.equal(first[name], second[name]))
  }

  /** Gives a member or an existing item a value; what was there is replaced. */
  set(within: Container, key: string | number, value: unknown): void {
    if (Array.isArray(within)) within[indexOf(key)] = value
    else {
      this.write(String(key).length + 1)
      assign(within, String(key), value)
    }
  }

  /**
   * Sets a member, or puts an item in before the one that has its index; `-` is the end. RFC 6902, section
   * 4.1.
   *
   * @returns whether there was such a place
   */
  add({ within, key }: Place, value: unknown): boolean {
    if (within === undefined) return false
    if (!Array.isArray(within)) {
      this.set(within, key, value)
      return true
    }
    const index = key === '-' ? within.length : indexOf(key)
    if (index === -1 || index > within.length) return false
    this.visit(Math.ceil((within.length - index) / ITEMS_MOVED_PER_VISIT))
    if (index === within.length) within.push(value)
    else within.splice(index, 0, value)
    return true
  }

  /** Removes a member or an item that is there. */
  remove(within: Container, key: string | number): void {
    if (!Array.isArray(within)) {
      delete within[key]
      return
    }
    const index = indexOf(key)
    this.visit(Math.ceil((within.length - 1 - index) / ITEMS_MOVED_PER_VISIT))
    if (index === within.length - 1) within.pop()
    else within.splice(index, 1)
  }

  /** Refuses a result that is larger or deeper than a payload may be. */
  measure(): void {
    if (jsonFlaw(this.payload, DEPTH_MAX) === 'depth')
      throw new Trouble(`The result is nested more than ${DEPTH_MAX} deep.`, '')
    if (this.bytes_max <= RESULT_BYTES_MAX) return
    if (Buffer.byteLength(JSON.stringify(this.payload)) > RESULT_BYTES_MAX)
      throw new Trouble(`The result has more than ${RESULT_BYTES_MAX / 1024} KiB.`, '')
  }
}

/** Sets a member; `__proto__` becomes one too, where `=` would change the prototype. */
function assign(object: object, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  else (object as Record<string, unknown>)[name] = value
}

import type { SchemaBounds } from './bounds.ts'
import { pointerTo, refuseSchema, refuseSize } from './refusal.ts'

/**
 * Holds a value to the bounds of bytes and depth, and to plain JSON, before anything else looks at it. The
 * work is bounded by `bytes_max`, however large the value is, even if parts of it are shared.
 *
 * @throws BrokerError schema_too_large or schema_invalid
 */
export function measureSchema(schema: unknown, bounds: SchemaBounds): void {
  let chars = 0
  const walk = (value: unknown, path: string, depth: number): void => {
    if (chars > bounds.bytes_max) tooManyBytes(bounds)
    if (typeof value === 'string') chars += value.length + 2
    else if (typeof value !== 'object' || value === null) chars += scalarChars(value, path)
    else if (depth === bounds.depth_max) tooDeep(path, bounds)
    else if (Array.isArray(value)) {
      chars += 2
      for (let index = 0; index < value.length; index++) {
        walk(value[index], `${path}/${index}`, depth + 1)
        chars++
      }
    } else {
      requirePlain(value, path)
      chars += 2
      for (const name in value) {
        chars += name.length + 3
        if (chars > bounds.bytes_max) tooManyBytes(bounds)
        walk((value as Record<string, unknown>)[name], pointerTo(path, name), depth + 1)
      }
    }
  }
  walk(schema, '', 0)
  if (new TextEncoder().encode(JSON.stringify(schema)).length > bounds.bytes_max) tooManyBytes(bounds)
}

function scalarChars(value: unknown, path: string): number {
  if (value === null || typeof value === 'boolean') return 4
  if (typeof value === 'number' && Number.isFinite(value)) return 1
  return refuseSchema({
    path,
    rule: 'json',
    detail: 'The schema holds a value that JSON does not have.',
    next: 'Use only objects, arrays, text, finite numbers, true, false and null.',
  })
}

function requirePlain(value: object, path: string): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return
  refuseSchema({
    path,
    rule: 'json',
    detail: 'The schema holds an object that is not plain JSON.',
    next: 'Use only objects, arrays, text, finite numbers, true, false and null.',
  })
}

function tooManyBytes({ bytes_max }: SchemaBounds): never {
  return refuseSize('', 'bytes_max', `The schema is larger than ${bytes_max} bytes.`)
}

function tooDeep(path: string, { depth_max }: SchemaBounds): never {
  const detail = `The schema nests more than ${depth_max} arrays and objects in each other.`
  return refuseSize(path, 'depth_max', detail)
}

import { BrokerError } from '../../core/errors.ts'
import { compareSchemas } from '../../core/protocol/evolution/compare.ts'
import { admitSchema } from '../../core/protocol/schema/admit.ts'
import type { SchemaBounds } from '../../core/protocol/schema/bounds.ts'
import { type Checker, compileSchema } from '../../core/protocol/schema/checker.ts'
import { exampleOf } from '../../core/protocol/schema/example/example.ts'
import { checkerBytes } from './checker-bytes.ts'
import type { Answer, CheckTask, CompareTask, CompileTask, ExampleTask, Refused, Task } from './messages.ts'

/** Compiled schemas, and the bytes that they may take together. */
const KEPT_MAX = 256
const KEPT_BYTES_MAX = 8 * 1024 * 1024
/** What took longer to compile, yet not much longer, is timed again: a new thread finds the compiler cold. */
const COLD_MS = 10
const LONG_MS = 50

interface Kept {
  readonly checker: Checker
  readonly bytes: number
}

/** The compiled schemas of a validation worker, the least recently used ones forgotten first. */
export class Checkers {
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor(
    private readonly kept_max = KEPT_MAX,
    private readonly bytes_max = KEPT_BYTES_MAX,
  ) {}

  /** Carries out one task. Never throws: what goes wrong is an answer as well. */
  answer(task: Task): Answer {
    try {
      switch (task.do) {
        case 'check':
          return this.#check(task)
        case 'compile':
          return this.#compile(task)
        case 'example':
          return made(task)
        case 'compare':
          return compared(task)
      }
    } catch (thrown) {
      return refusalOf(task, thrown)
    }
  }

  #compile({ schema, bounds, keep }: CompileTask): Answer {
    const parsed: unknown = JSON.parse(schema)
    const first = timed(parsed, bounds)
    const { admitted, checker } = first
    if (keep !== undefined) this.#keep(keep, { checker, bytes: checkerBytes(admitted, schema.length) })
    const again = first.ms > COLD_MS && first.ms < LONG_MS ? timed(parsed, bounds).ms : first.ms
    return { ms: Math.min(first.ms, again), warnings: admitted.warnings }
  }

  #check({ key, payload }: CheckTask): Answer {
    const kept = this.#kept.get(key)
    if (!kept) return 'unknown'
    this.#keep(key, kept)
    const value: unknown = JSON.parse(payload)
    return kept.checker.check(value) || kept.checker.errors(value)
  }

  /** Puts a checker last in the order of use, and forgets the first ones for which there is no room. */
  #keep(key: string, kept: Kept): void {
    this.#forget(key)
    this.#kept.set(key, kept)
    this.#bytes += kept.bytes
    while (this.#kept.size > 1 && (this.#kept.size > this.kept_max || this.#bytes > this.bytes_max))
      this.#forget(this.#kept.keys().next().value!)
  }

  #forget(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}

/** Admits and compiles a schema, and says how long that took. */
function timed(schema: unknown, bounds: SchemaBounds) {
  const began_ms = performance.now()
  const admitted = admitSchema(schema, bounds)
  const checker = compileSchema(admitted)
  // The engine puts off parsing the generated code until it is first called.
  checker.check(null)
  return { admitted, checker, ms: performance.now() - began_ms }
}

function made({ schema, bounds }: ExampleTask): Answer {
  const admitted = admitSchema(JSON.parse(schema), bounds)
  const example = exampleOf(admitted.schema, compileSchema(admitted).check)
  return example ? { example } : {}
}

function compared({ older, newer, bounds, without_witnesses }: CompareTask): Answer {
  const schemas = { older: JSON.parse(older), newer: JSON.parse(newer) }
  const checkOf = (schema: unknown) =>
    without_witnesses ? saysNothing : compileSchema(admitSchema(schema, bounds)).check
  const checks = { older: checkOf(schemas.older), newer: checkOf(schemas.newer) }
  return { comparison: compareSchemas(schemas.older, schemas.newer, checks) }
}

/** A check that throws is taken to say nothing. */
function saysNothing(): never {
  throw new Error('no payload is checked')
}

/** A RangeError is what a full stack throws, and that is the fault of the schema or the payload. */
function refusalOf(task: Task, thrown: unknown): Refused {
  if (thrown instanceof BrokerError) return { refused: thrown.code, detail: thrown.detail }
  if (!(thrown instanceof RangeError)) return { refused: 'internal', detail: {}, fault: Bun.inspect(thrown) }
  return task.do === 'check'
    ? {
        refused: 'payload_too_complex',
        detail: { detail: 'The payload is nested too deeply to be checked.' },
      }
    : {
        refused: 'schema_too_large',
        detail: { detail: 'The schema lists or nests too much to be compiled.', more: { bound: 'stack' } },
      }
}

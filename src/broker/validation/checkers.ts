import { BrokerError } from '../../core/errors.ts'
import { compareSchemas } from '../../core/protocol/evolution/compare.ts'
import { admitSchema } from '../../core/protocol/schema/admit.ts'
import { type Checker, compileSchema } from '../../core/protocol/schema/checker.ts'
import { exampleOf } from '../../core/protocol/schema/example.ts'
import type { Answer, CheckTask, CompareTask, CompileTask, ExampleTask, Refused, Task } from './messages.ts'

/** A checker takes about 18 KB. */
const KEPT_MAX = 256

/** The compiled schemas of a validation worker, the least recently used ones forgotten first. */
export class Checkers {
  readonly #kept = new Map<string, Checker>()

  constructor(private readonly kept_max = KEPT_MAX) {}

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
    const began_ms = performance.now()
    const checker = compileSchema(admitSchema(JSON.parse(schema), bounds))
    // The engine puts off parsing the generated code until it is first called.
    checker.check(null)
    if (keep !== undefined) this.#keep(keep, checker)
    return { ms: performance.now() - began_ms }
  }

  #check({ key, payload }: CheckTask): Answer {
    const checker = this.#kept.get(key)
    if (!checker) return 'unknown'
    this.#keep(key, checker)
    const value: unknown = JSON.parse(payload)
    return checker.check(value) || checker.errors(value)
  }

  /** Puts a checker last in the order of use. */
  #keep(key: string, checker: Checker): void {
    this.#kept.delete(key)
    this.#kept.set(key, checker)
    if (this.#kept.size > this.kept_max) this.#kept.delete(this.#kept.keys().next().value!)
  }
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
        detail: { detail: 'The schema is nested too deeply to be compiled.', more: { bound: 'stack' } },
      }
}

// A stand-in with the shape of the real file, which replaces it.
import { Compile } from 'typebox/schema'
import type { AdmittedSchema } from './admit.ts'

export interface PayloadError {
  readonly path: string
  readonly rule: string
  readonly expected: string
  readonly got: string
  readonly sentence: string
}

interface PayloadErrors {
  readonly errors: readonly PayloadError[]
  readonly total: number
}

export interface Checker {
  check(payload: unknown): boolean
  errors(payload: unknown): PayloadErrors
}

export function compileSchema({ context, schema }: AdmittedSchema): Checker {
  const validator = Compile({ ...context }, schema)
  return {
    check: (payload) => validator.Check(payload),
    errors: (payload) => {
      const [, found] = validator.Errors(payload)
      const errors = found.slice(0, 10).map(({ instancePath, keyword, message }) => ({
        path: instancePath,
        rule: keyword,
        expected: keyword,
        got: typeof payload,
        sentence: message,
      }))
      return { errors, total: found.length }
    },
  }
}

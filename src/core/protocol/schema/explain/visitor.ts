import type { Definitions, LinkedSchema } from '../linked.ts'
import type { At, Findings } from './findings.ts'

/** What the parts of an explanation share. */
export interface Visitor {
  readonly findings: Findings
  readonly definitions: Definitions
  /** Whether a value fits. @param report whether failures are written down; without it, the first one ends */
  visit(schema: LinkedSchema, value: unknown, at: At | undefined, report: boolean): boolean
  /** Whether a text matches a pattern of the schema. */
  matches(pattern: string, text: string): boolean
  /** Counts work. It throws when there has been too much. */
  spend(steps: number): void
}

/** An object of the payload. */
export type Members = Readonly<Record<string, unknown>>

export function entriesOf(schemas: unknown): [string, LinkedSchema][] {
  return Object.entries((schemas ?? {}) as Record<string, LinkedSchema>)
}

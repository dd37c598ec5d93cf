import type { JsonSchema } from '../json-schema.ts'
import { shapesOf } from './shapes.ts'

/** Lines that one protocol takes in an answer; the longest of the ready ones has a few less. */
const LINES_MAX = 48

/**
 * The members of a payload in words, one line each, such as `text: text, 1–32,768, required`. Where the
 * payload is one of several kinds, each kind has its lines under its own heading.
 */
export function fieldLines(schema: JsonSchema): string[] {
  const lines: string[] = []
  for (const { kind, fields } of shapesOf(schema)) {
    if (kind) lines.push(`where ${kind.member} is ${kind.value}:`)
    for (const { path, type, required } of fields)
      if (path !== kind?.member) lines.push(`${path}: ${type}${required ? ', required' : ''}`)
  }
  return lines.length > LINES_MAX ? [...lines.slice(0, LINES_MAX), '…'] : lines
}

import { expect, test } from 'bun:test'
import { Glob } from 'bun'

const SRC = new URL('../../../../src/', import.meta.url).pathname

/**
 * Where `src` makes an expression of a text that is not in the code, with the number of times. A text from
 * outside may hold a pattern that takes for ever: it belongs in core/protocol/schema/pattern.ts.
 */
const PLACES: Readonly<Record<string, number>> = {
  // Each pattern is read first; of the two native ones one is never run, and one is evidently linear.
  'core/protocol/schema/pattern-syntax.ts': 1,
  'core/protocol/schema/pattern.ts': 3,
  // The paths of the HTTP door, which are in the code.
  'transports/http/paths.ts': 1,
  // A set of names in the shape of an expression.
  'core/protocol/schema/lower.ts': 1,
}

/** `new RegExp`, `RegExp(…)`, a class of the kind, and RE2JS; not the type `RegExp`. */
const MAKES = /\bRegExp\s*\(|\bextends RegExp\b|\bRE2JS\s*\.\s*\w+\(|\bRE2\s*\.\s*\w+\(/g

test('expressions are made of data in these places only', async () => {
  const found: Record<string, number> = {}
  for await (const path of new Glob('**/*.ts').scan({ cwd: SRC })) {
    const times = (await Bun.file(`${SRC}${path}`).text()).match(MAKES)?.length ?? 0
    if (times > 0) found[path] = times
  }
  expect(found).toEqual(PLACES)
})

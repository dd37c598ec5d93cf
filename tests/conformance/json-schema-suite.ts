import { readdirSync, readFileSync } from 'node:fs'

export type Draft = 'draft-07' | '2020-12'

/** One schema of the official suite, and what it says of several payloads. */
export interface SuiteGroup {
  /** Names the group among all of its draft, such as `ref.json: root pointer ref`. */
  readonly name: string
  /** With the `$schema` of its draft, unless it is a boolean. */
  readonly schema: unknown
  readonly cases: readonly SuiteCase[]
}

export interface SuiteCase {
  readonly description: string
  readonly data: unknown
  readonly valid: boolean
}

const DIRECTORIES: Readonly<Record<Draft, string>> = { 'draft-07': 'draft7', '2020-12': 'draft2020-12' }
const URIS: Readonly<Record<Draft, string>> = {
  'draft-07': 'http://json-schema.org/draft-07/schema#',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
}

/** Left out: documents elsewhere, own vocabularies, and formats, which are not asserted. */
const LEFT_OUT_FILES = ['refRemote.json', 'vocabulary.json', 'format.json']
/** Groups of other files that refer to a document elsewhere. */
const REMOTE_GROUPS = [
  'strict-tree schema, guards against misspelled properties',
  'tests for implementation dynamic anchor and reference link',
  '$ref and $dynamicAnchor are independent of order - $defs first',
  '$ref and $dynamicAnchor are independent of order - $ref first',
  '$ref to $dynamicRef finds detached $dynamicAnchor',
]

/** The groups of the official suite for a draft, in the order of its files. */
export function suiteCases(draft: Draft): SuiteGroup[] {
  const directory = new URL(`json-schema/${DIRECTORIES[draft]}/`, import.meta.url).pathname
  const files = readdirSync(directory).filter((file) => !LEFT_OUT_FILES.includes(file))
  return files.toSorted().flatMap((file) => {
    const groups: { description: string; schema: unknown; tests: SuiteCase[] }[] = JSON.parse(
      readFileSync(`${directory}${file}`, 'utf8'),
    )
    return groups
      .filter(({ description }) => !REMOTE_GROUPS.includes(description))
      .map(({ description, schema, tests }) => ({
        name: `${file}: ${description}`,
        schema: typeof schema === 'object' ? { $schema: URIS[draft], ...schema } : schema,
        cases: tests,
      }))
  })
}

import { Meta } from 'typebox/schema'
import { nearestNames } from '../../routing.ts'
import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { DIALECT_URIS, type Dialect } from './keywords.ts'
import { pointerTo, quoted, refuseSchema } from './refusal.ts'
import { type Resource, Survey, splitUri } from './survey.ts'

/** What a reference leads to, and the survey of the document that it is in. */
export interface Target {
  readonly schema: SchemaObject | boolean
  readonly survey: Survey
  /** The resource and the fragment that were named, for `$dynamicRef`. */
  readonly resource: Resource
  readonly fragment: string
}

/**
 * Finds what a `$ref` or `$dynamicRef` names: a place in its own document or in a metaschema.
 *
 * @param keyword `$ref` or `$dynamicRef`, whose value in `schema` is a text
 * @throws BrokerError schema_invalid when there is no such place
 */
export function resolveReference(schema: SchemaObject, keyword: string, survey: Survey): Target {
  const { path, resource } = survey.places.get(schema)!
  const at = pointerTo(path, keyword)
  const reference = schema[keyword] as string
  const [uri, fragment] = splitUri(reference, resource.uri, at)
  const miss = (detail: string, near: string[], next = 'Correct the reference, or add what it refers to.') =>
    refuseSchema({
      path: at,
      rule: keyword,
      detail: `${keyword} ${quoted(reference, 128)} ${detail}.`,
      next: near.length === 0 ? next : `Did you mean ${near.map((name) => quoted(name, 128)).join(' or ')}?`,
    })

  const home = survey.resources.has(uri) ? survey : metaschema(uri)
  const found = home?.resources.get(uri)
  if (home === undefined || found === undefined)
    return miss(
      'leads out of this schema',
      [],
      'Copy what it refers to into $defs of this schema; nothing is fetched.',
    )
  if (fragment === '') return { schema: found.root, survey: home, resource: found, fragment }
  if (!fragment.startsWith('/')) {
    const anchored = found.anchors.get(fragment)
    if (anchored !== undefined) return { schema: anchored, survey: home, resource: found, fragment }
    const near = nearestNames(fragment, found.anchors.keys(), 2).map((name) => `#${name}`)
    return miss('names an anchor that the schema does not have', near)
  }
  return { schema: atPointer(found, fragment, home, miss), survey: home, resource: found, fragment }
}

function atPointer(
  resource: Resource,
  pointer: string,
  survey: Survey,
  miss: (detail: string, near: string[]) => never,
): SchemaObject | boolean {
  let value: unknown = resource.root
  let walked = '#'
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const inner =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined
    if (inner === undefined) {
      const known = typeof value === 'object' && value !== null ? Object.keys(value) : []
      const near = nearestNames(name, known, 2)
      return miss(
        'leads to a place that the schema does not have',
        near.map((other) => pointerTo(walked, other)),
      )
    }
    value = inner
    walked = pointerTo(walked, name)
  }
  if (typeof value === 'boolean') return value
  if (!isSchemaObject(value)) return miss('leads to something that is no schema', [])
  if (!survey.places.has(value)) survey.adopt(value, walked.slice(1), resource)
  return value
}

const UNBOUNDED = {
  bytes_max: Number.POSITIVE_INFINITY,
  depth_max: Number.POSITIVE_INFINITY,
  subschemas_max: Number.POSITIVE_INFINITY,
  references_max: Number.POSITIVE_INFINITY,
  enum_max: Number.POSITIVE_INFINITY,
  pattern_chars_max: Number.POSITIVE_INFINITY,
  repeat_max: Number.POSITIVE_INFINITY,
}

const surveys = new Map<Dialect, Survey>()

/** The bundled metaschema of a URI, surveyed at its first use. */
function metaschema(uri: string): Survey | undefined {
  const vocabulary = uri.startsWith('https://json-schema.org/draft/2020-12/meta/')
  for (const dialect of ['draft-07', '2020-12'] as const) {
    if (uri !== DIALECT_URIS[dialect] && !(dialect === '2020-12' && vocabulary)) continue
    let survey = surveys.get(dialect)
    if (survey === undefined) {
      const name = dialect === 'draft-07' ? `${DIALECT_URIS[dialect]}#` : DIALECT_URIS[dialect]
      survey = new Survey((Meta as Record<string, unknown>)[name] as SchemaObject, dialect, UNBOUNDED)
      surveys.set(dialect, survey)
    }
    return survey
  }
  return undefined
}

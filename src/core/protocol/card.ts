import type { RegisteredProtocol } from './definition.ts'
import type { Relation } from './evolution/relation.ts'
import { isSchemaObject } from './json-schema.ts'

/** What a model is told of a protocol before it asks for more. */
export interface ProtocolCard {
  name: string
  version: string
  /** How many versions there are. */
  versions: number
  summary: string
  capabilities: readonly string[]
  /** Members that a payload must have. */
  required: readonly string[]
  /** A payload that fits, where one is short enough. */
  example?: unknown
  relation?: Relation
  deprecated?: { message?: string; successor?: string }
  tags?: readonly string[]
}

/** Of one card as JSON: twenty of them fit a model's window. */
export const CARD_CHARS_MAX = 590
const SUMMARY_CHARS_MAX = 140
const DEPRECATION_CHARS_MAX = 100
const NAMES_SHOWN_MAX = 8
const NAME_CHARS_MAX = 32

/** @param example a payload that fits, if there is one */
export function cardOf(
  { name, version, schema, capabilities, metadata, relation, deprecated }: RegisteredProtocol,
  versions: number,
  example: { readonly payload: unknown } | undefined,
): ProtocolCard {
  const required = isSchemaObject(schema) && Array.isArray(schema.required) ? schema.required : []
  const { message, successor } = deprecated ?? {}
  const card: ProtocolCard = {
    name,
    version,
    versions,
    summary: firstSentence(metadata.description ?? ''),
    capabilities,
    required: fewNames(required.map(String)),
    ...(relation === undefined ? {} : { relation }),
    ...(deprecated === undefined
      ? {}
      : {
          deprecated: {
            ...(message === undefined ? {} : { message: cut(message, DEPRECATION_CHARS_MAX) }),
            ...(successor === undefined ? {} : { successor }),
          },
        }),
  }
  if (example && charsOf({ ...card, example: example.payload }) <= CARD_CHARS_MAX)
    card.example = example.payload
  const { tags } = metadata
  if (tags?.length && charsOf({ ...card, tags }) <= CARD_CHARS_MAX) card.tags = tags
  return card
}

function charsOf(value: unknown): number {
  return JSON.stringify(value).length
}

function fewNames(names: readonly string[]): string[] {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => cut(name, NAME_CHARS_MAX))
  return names.length > NAMES_SHOWN_MAX ? [...shown, '…'] : shown
}

function firstSentence(text: string): string {
  const end = text.search(/[.!?](\s|$)/)
  return cut(end === -1 ? text : text.slice(0, end + 1), SUMMARY_CHARS_MAX)
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text
}

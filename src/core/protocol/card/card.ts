import type { Deprecation, RegisteredProtocol } from '../definition.ts'
import type { Relation } from '../evolution/relation.ts'
import { requiredMembers } from './shapes.ts'

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

/** Of one card as JSON, in UTF-8: twenty of them fit a model's window. */
export const CARD_BYTES_MAX = 590
/** Each in bytes, without its quotes. */
const SUMMARY_BYTES_MAX = 140
const MESSAGE_BYTES_MAX = 80
const SUCCESSOR_BYTES_MAX = 64
const NAME_BYTES_MAX = 32
const NAMES_SHOWN_MAX = 8
/** What the summary leaves for the required names. */
const NAMES_BYTES_MIN = 50

/** @param example a payload that fits, if there is one */
export function cardOf(
  { name, version, schema, capabilities, metadata, relation, deprecated }: RegisteredProtocol,
  versions: number,
  example: { readonly payload: unknown } | undefined,
): ProtocolCard {
  const required = requiredMembers(schema)
  const card: ProtocolCard = {
    name,
    version,
    versions,
    summary: '',
    capabilities,
    required: [],
    ...(relation === undefined ? {} : { relation }),
    ...(deprecated === undefined ? {} : { deprecated: inShort(deprecated) }),
  }
  const left = CARD_BYTES_MAX - bytesOf(card)
  const summary_bytes = Math.min(SUMMARY_BYTES_MAX, left - (required.length > 0 ? NAMES_BYTES_MIN : 0))
  card.summary = cut(firstSentence(metadata.description ?? ''), summary_bytes)
  card.required = fewNames(required, CARD_BYTES_MAX - bytesOf(card))
  if (example && bytesOf({ ...card, example: example.payload }) <= CARD_BYTES_MAX)
    card.example = example.payload
  const { tags } = metadata
  if (tags?.length && bytesOf({ ...card, tags }) <= CARD_BYTES_MAX) card.tags = tags
  return card
}

function inShort({ message, successor }: Deprecation): NonNullable<ProtocolCard['deprecated']> {
  return {
    ...(message === undefined ? {} : { message: cut(message, MESSAGE_BYTES_MAX) }),
    ...(successor === undefined ? {} : { successor: cut(successor, SUCCESSOR_BYTES_MAX) }),
  }
}

/** Length as JSON in UTF-8. */
function bytesOf(value: unknown): number {
  return ENCODER.encode(JSON.stringify(value)).length
}

const ENCODER = new TextEncoder()

/** The first names, as many as take at most so many bytes in a list; an ellipsis stands for the others. */
function fewNames(names: readonly string[], bytes: number): string[] {
  const shown: string[] = []
  for (const name of names.slice(0, NAMES_SHOWN_MAX)) {
    const next = [...shown, cut(name, NAME_BYTES_MAX)]
    if (bytesOf([...next, ELLIPSIS]) - bytesOf([]) > bytes) break
    shown.push(next.at(-1)!)
  }
  return names.length > shown.length ? [...shown, ELLIPSIS] : shown
}

function firstSentence(text: string): string {
  const end = text.search(/[.!?](\s|$)/)
  return end === -1 ? text : text.slice(0, end + 1)
}

const ELLIPSIS = '…'

/** The beginning of a text, so that it takes at most so many bytes in JSON. */
function cut(text: string, bytes: number): string {
  // No character takes less than a byte.
  if (text.length <= bytes && bytesOf(text) - bytesOf('') <= bytes) return text
  let left = bytes - bytesOf(ELLIPSIS) + bytesOf('')
  let kept = ''
  for (const character of text) {
    left -= bytesOf(character) - bytesOf('')
    if (left < 0) break
    kept += character
  }
  return kept + ELLIPSIS
}

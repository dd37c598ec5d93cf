import type { Comparison, Reason } from './relation.ts'

/** What a sentence is made of: a rule, its JSON pointer, and what both sides say. */
interface Clause {
  readonly rule: string
  readonly path: string
  readonly reader?: unknown
  readonly writer?: unknown
}

const SHOWN_MAX = 60
const WITNESS_SHOWN_MAX = 400

/** One sentence for people: what changed at a place, and which side breaks. */
export function sentenceOf(clause: Clause, direction: Reason['direction'], isShown: boolean): string {
  const [reader, writer] =
    direction === 'backward' ? ['the new version', 'the old version'] : ['the old version', 'the new version']
  const at = clause.path === '' ? 'In the payload' : `At ${clause.path}`
  if (!isShown)
    return `${at} it could not be decided whether ${reader} accepts all that ${writer} does (${clause.rule}).`
  const effect =
    direction === 'backward' ? 'new readers refuse some old messages' : 'old readers refuse some new messages'
  return `${at} ${clauseOf(clause, reader, writer)}: ${effect}.`
}

function clauseOf({ rule, reader: read, writer: written }: Clause, reader: string, writer: string): string {
  switch (rule) {
    case 'required':
      if (written === 'optional') return `${reader} requires the member, and ${writer} has it optional`
      return `${reader} requires the member, and ${writer} does not have it`
    case 'dependentRequired':
    case 'dependencies':
      return `${reader} requires the member where another one is present, and ${writer} does not`
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return `${reader} takes no such member, and ${writer} does`
    case 'items':
    case 'unevaluatedItems':
      return `${reader} takes no such item, and ${writer} does`
    case 'false':
      return `${reader} takes nothing, and ${writer} does`
    case 'type':
      return `${reader} takes ${listed(read)}, and ${writer} takes ${listed(written)}`
    case 'const':
    case 'enum':
      return `${writer} takes ${listed(written)}, and ${reader} does not`
    case 'anyOf':
    case 'oneOf':
      if (written === undefined)
        return `more than one branch of ${rule} in ${reader} accepts some of what ${writer} takes`
      return `${writer} takes ${listed(written)}, and no branch of ${rule} in ${reader} accepts all of it`
    case 'too_complex':
      return `${reader} refuses some of what ${writer} takes, and there is too much to say more`
    case 'not':
      return `${reader} excludes some of what ${writer} takes`
    default: {
      const has = written === undefined ? 'has none' : `has ${shown(written)}`
      return `${reader} has ${rule} ${shown(read)}, and ${writer} ${has}`
    }
  }
}

/**
 * A comparison in words, one line each: the relation, then each reason with its payload.
 *
 * @param names the protocol, and the versions that were compared
 */
export function describeComparison(
  comparison: Comparison,
  names: { readonly name: string; readonly from: string; readonly to: string },
): string[] {
  const { relation, strict_relation, reasons, strict_reasons } = comparison
  const lines = [`${names.name} ${names.from} → ${names.to}: ${relation} (${MEANING[relation]})`]
  for (const reason of reasons) lines.push(...described(reason))
  if (strict_relation !== relation) {
    lines.push(`Read strictly, with members that are not declared: ${strict_relation}`)
    for (const reason of strict_reasons) lines.push(...described(reason))
  }
  return lines
}

const MEANING = {
  full: 'readers of either version accept messages of the other',
  backward: 'new readers accept old messages, old readers refuse some new ones',
  forward: 'old readers accept new messages, new readers refuse some old ones',
  breaking: 'neither version accepts all messages of the other',
} as const

function described(reason: Reason): string[] {
  const { direction, rule, sentence, witness } = reason
  const line = `  ${direction}, ${rule}: ${sentence}`
  return witness === undefined ? [line] : [line, `    for example ${cut(witness.payload, WITNESS_SHOWN_MAX)}`]
}

const EVERY_KIND = [null, false, true, 'number', 'string', 'array', 'object']

function listed(values: unknown): string {
  const list = [values].flat()
  if (values === undefined || EVERY_KIND.every((kind) => list.includes(kind))) return 'any value'
  return list.map(shown).join(', ')
}

function shown(value: unknown): string {
  return cut(value, SHOWN_MAX)
}

/** A value as JSON, its middle left out if it is long. */
function cut(value: unknown, length_max: number): string {
  const text = JSON.stringify(value) ?? 'nothing'
  if (text.length <= length_max) return text
  return `${text.slice(0, length_max - 12)} … ${text.slice(-9)} (${text.length} characters)`
}

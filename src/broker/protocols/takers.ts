import type { StoredMessage } from '../../core/message.ts'
import type { ChosenVersion, VersionRefusal } from '../../core/protocol/choice.ts'
import type { Variant } from '../../engine/values.ts'
import type { Family } from './family.ts'

/** A recipient of a broadcast, and the range of the protocol that it takes; undefined: it does not say. */
export interface Taker {
  readonly client_id: string
  readonly range: string | undefined
}

export interface NotTaken {
  readonly recipient_id: string
  readonly reason: string
  /** One sentence. */
  readonly detail: string
}

/** A broadcast that nobody takes is one all the same, with a message_id and no recipients. */
export function orNobody(variants: readonly Variant[], message: StoredMessage): readonly Variant[] {
  return variants.length > 0 ? variants : [{ message, recipients: [] }]
}

/** The recipients by the version that they are given. @param choices one for each */
export function grouped(
  family: Family,
  version: string,
  takers: readonly Taker[],
  choices: readonly (ChosenVersion | VersionRefusal)[],
) {
  const groups = new Map<string, string[]>()
  const refused: NotTaken[] = []
  for (const [at, { client_id, range }] of takers.entries()) {
    const delivery = choices[at]!
    if ('reason' in delivery) {
      const detail = `${client_id} takes ${family.name} ${range}, and nothing leads there from ${version}.`
      refused.push({ recipient_id: client_id, reason: 'no_common_version', detail })
    } else groups.getOrInsertComputed(delivery.deliver, () => []).push(client_id)
  }
  return { groups, refused }
}

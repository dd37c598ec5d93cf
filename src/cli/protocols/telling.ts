import { type DefinitionProblem, type Place, placeText } from '../../broker/protocols/definition-files.ts'
import { type BrokerError, errorBody } from '../../core/errors.ts'
import type { ToldReason } from '../../core/protocol/evolution/relation.ts'
import { CliError } from '../verb.ts'

export function fileError({ what, fix, ...place }: DefinitionProblem): CliError {
  return new CliError(`${placeText(place)}: ${what}`, fix, false, { ...place })
}

/** A broker's error with what it is about before its words, its reasons below, and the place for programs. */
export function located({ what, fix, error }: CliError, about: string, place: Partial<Place> = {}): CliError {
  const reasons = Array.isArray(error?.reasons) ? (error.reasons as ToldReason[]) : []
  return new CliError(`${about}: ${what}`, fix, false, { ...error, ...place }, reasonLines(reasons))
}

/** An error of the catalogue that was found without a broker. */
export function offlineError(error: BrokerError, about: string, place?: Place): CliError {
  const next = error.detail.next ?? 'Correct it in the file.'
  const body = { ...errorBody(error), next }
  return located(new CliError(body.detail, next, false, body), about, place)
}

/** Why two versions do not go together, one line each, and a payload that shows it. */
export function reasonLines(reasons: readonly ToldReason[]): string[] {
  return reasons.map(({ sentence, witness }) =>
    witness === undefined ? sentence : `${sentence} For example ${cut(JSON.stringify(witness))}`,
  )
}

const WITNESS_CHARS_MAX = 400

function cut(json: string): string {
  return json.length > WITNESS_CHARS_MAX ? `${json.slice(0, WITNESS_CHARS_MAX)}…` : json
}

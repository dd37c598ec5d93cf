import {
  type DefinitionProblem,
  type Place,
  placeText,
} from '../../broker/protocols/registration/definition-files.ts'
import { errorLines } from '../../core/error-lines.ts'
import { type BrokerError, errorBody } from '../../core/errors.ts'
import { CliError } from '../verb.ts'

export function fileError({ what, fix, ...place }: DefinitionProblem): CliError {
  return new CliError(`${placeText(place)}: ${what}`, fix, false, { ...place })
}

/**
 * A broker's error with what it is about before its words, what it lists below, and the place for programs.
 */
export function located({ what, fix, error }: CliError, about: string, place: Partial<Place> = {}): CliError {
  return new CliError(`${about}: ${what}`, fix, false, { ...error, ...place }, errorLines(error ?? {}))
}

/** An error of the catalogue that was found without a broker. */
export function offlineError(error: BrokerError, about: string, place?: Place): CliError {
  const next = error.detail.next ?? 'Correct it in the file.'
  const body = { ...errorBody(error), next }
  return located(new CliError(body.detail, next, false, body), about, place)
}

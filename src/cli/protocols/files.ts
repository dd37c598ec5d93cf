import {
  type DefinitionProblem,
  type FiledDefinition,
  type Place,
  placeText,
  readDefinitions,
} from '../../broker/protocols/definition-files.ts'
import type { BrokerError } from '../../core/errors.ts'
import { errorBody } from '../../core/errors.ts'
import { CliError, CliErrors } from '../verb.ts'

export type { FiledDefinition } from '../../broker/protocols/definition-files.ts'

/** Definitions of all these files and folders. @throws CliErrors with everything that is wrong with them */
export async function definitionsIn(paths: readonly string[]): Promise<readonly FiledDefinition[]> {
  const { definitions, problems } = await readDefinitions(...paths)
  if (problems.length > 0) throw new CliErrors(problems.map(fileError))
  if (definitions.length === 0)
    throw new CliError(
      `There are no definitions in ${paths.join(', ')}.`,
      'They are files whose names end in .json, .yaml or .yml.',
    )
  return definitions
}

export function fileError({ what, fix, ...place }: DefinitionProblem): CliError {
  return new CliError(`${placeText(place)}: ${what}`, fix, false, { ...place })
}

/** An error of the broker's, with what it is about before its words, and the place for programs. */
export function located({ what, fix, error }: CliError, place: Place, about: string): CliError {
  const reasons = Array.isArray(error?.reasons) ? (error.reasons as { sentence: string }[]) : []
  const lines = reasons.map(({ sentence }) => sentence).filter((sentence) => !what.includes(sentence))
  return new CliError(`${about}: ${what}`, fix, false, { ...error, ...place }, lines)
}

/** An error of the catalogue that was found without a broker, as the broker would tell it. */
export function offlineError(error: BrokerError, place: Place, about: string): CliError {
  const body = errorBody(error)
  return located(new CliError(body.detail, body.next, false, body), place, about)
}

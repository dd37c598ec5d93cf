import {
  type FiledDefinition,
  readDefinitions,
} from '../../broker/protocols/registration/definition-files.ts'
import { CliError, CliErrors } from '../verb.ts'
import { fileError } from './telling.ts'

/** Definitions of all these files and folders. @throws CliErrors with everything that is wrong with them */
export async function definitionsIn(paths: readonly string[]): Promise<readonly FiledDefinition[]> {
  const { definitions, problems } = await readDefinitions(...paths)
  if (problems.length > 0) throw new CliErrors(problems.map(fileError))
  if (definitions.length === 0) throw noDefinitions(paths)
  return definitions
}

export function noDefinitions(paths: readonly string[]): CliError {
  return new CliError(
    `There are no definitions in ${paths.join(', ')}.`,
    'They are files whose names end in .json, .yaml or .yml.',
  )
}

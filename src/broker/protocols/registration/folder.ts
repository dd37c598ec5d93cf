import { DEFAULT_PROJECT, operator } from '../../../auth/identity.ts'
import { errorLines } from '../../../core/error-lines.ts'
import { asBrokerError, errorBody } from '../../../core/errors.ts'
import type { Broker } from '../../broker.ts'
import { runToStored } from '../../command.ts'
import { registerProtocol } from '../../commands/protocols.ts'
import { placeText, readDefinitions } from './definition-files.ts'
import type { Registered } from './registration.ts'

/** A mistake in the files, and no fault of the broker. */
export class DefinitionsRefused extends Error {
  override readonly name = 'DefinitionsRefused'
}

/** What the start has to say of one definition. */
export interface Told {
  readonly protocol: string
  readonly file: string
  readonly done: 'created' | 'updated' | 'unchanged'
  readonly warnings: readonly string[]
}

/**
 * Registers the definitions of a folder, or of one file, in the default project: by name, then by version.
 *
 * @param tell is told of each that is registered
 * @throws DefinitionsRefused that lists all that is wrong; what was right is registered all the same
 */
export async function registerFolder(
  broker: Broker,
  path: string,
  tell: (told: Told) => void,
): Promise<void> {
  const { definitions, problems } = await readDefinitions(path)
  const wrong = problems.map((problem) => `${placeText(problem)}: ${problem.what} ${problem.fix}`)
  const identity = operator(DEFAULT_PROJECT)
  for (const { input, ...place } of definitions) {
    try {
      const answer = await runToStored(broker, registerProtocol, identity, input)
      const { name, version, created, updated, warnings } = answer as Registered
      const done = created ? 'created' : updated ? 'updated' : 'unchanged'
      tell({ protocol: `${name} ${version}`, file: placeText(place), done, warnings })
    } catch (error) {
      const body = errorBody(asBrokerError(error))
      wrong.push(`${placeText(place)}: ${[body.detail, ...errorLines(body), body.next].join(' ')}`)
    }
  }
  if (wrong.length > 0)
    throw new DefinitionsRefused(`The protocols of "${path}" cannot all be registered.\n${wrong.join('\n')}`)
}

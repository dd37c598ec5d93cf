import { BrokerError } from '../../../core/errors.ts'
import { type MaybePromise, then } from '../../../core/maybe-promise.ts'
import type { Deprecation } from '../../../core/protocol/definition.ts'
import { unknownProtocol, unknownVersion } from '../refusals.ts'
import type { Registry } from '../registry.ts'

/** How often it begins anew because another writer was first. */
const TRIES = 3

/**
 * Marks a version as deprecated. Marking it again replaces what was said before.
 *
 * @throws BrokerError `unknown_protocol`, also for a ready protocol, which is nobody's to deprecate
 */
export function deprecate(
  registry: Registry,
  project: string,
  input: { readonly name: string; readonly version: string } & {
    readonly [K in keyof Deprecation]: Deprecation[K] | undefined
  },
  tries = 1,
): MaybePromise<{ name: string; version: string; deprecated: boolean }> {
  const { name, version, message, successor } = input
  return then(registry.of(project), (protocols) => {
    const family = protocols.family(name)
    if (!family) throw unknownProtocol(name, protocols.near(name), '/name')
    const held = family.get(version)
    if (!held) throw unknownVersion(family, version, '/version')
    if (!protocols.has(name))
      throw new BrokerError('unknown_protocol', {
        field: '/name',
        detail: `${name} is a ready protocol of the broker, and not this project's to deprecate.`,
        next: 'Register a version of your own under the name, or have the operator set protocols_builtin to false.',
      })
    const deprecated = {
      ...(message === undefined ? {} : { message }),
      ...(successor === undefined ? {} : { successor }),
    }
    const changed = { ...held.registered, deprecated }
    return then(registry.write(project, changed, held.record_version), (written) => {
      if (written) return { name, version, deprecated: true }
      if (tries === TRIES) throw new BrokerError('storage_unavailable', { retry_after_ms: 1000 })
      return deprecate(registry, project, input, tries + 1)
    })
  })
}

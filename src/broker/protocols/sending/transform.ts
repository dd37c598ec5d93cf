import { BrokerError } from '../../../core/errors.ts'
import { jsonFlaw } from '../../../core/json.ts'
import type { PayloadError } from '../../../core/protocol/schema/explain/explain.ts'
import type { Turns } from '../../turns.ts'
import type { Family, ProtocolVersion } from '../family.ts'
import type { Protocols } from '../protocols.ts'
import { adaptOrRefuse, noChain, unknownProtocol, unknownVersion } from '../refusals.ts'
import type { From } from './validation.ts'

const DEPTH_MAX = 64

export interface Transformed {
  payload: unknown
  steps: string[]
  valid: boolean
  errors: readonly PayloadError[]
}

/**
 * Turns a payload into another version by the registered adapters, and says whether the result fits it. The
 * payload need not fit the version that it comes from.
 *
 * @throws BrokerError `unknown_protocol`, `no_common_version` where no adapters lead there, `adapter_failed`,
 *   and what a check throws
 */
export async function transform(
  { registry, validation }: Protocols,
  turns: Turns,
  from: From,
  input: {
    readonly name: string
    readonly payload: unknown
    readonly from_version: string
    readonly to_version: string
  },
): Promise<Transformed> {
  const { name, payload, from_version, to_version } = input
  if (jsonFlaw(payload, DEPTH_MAX) === 'depth')
    throw new BrokerError('nesting_too_deep', { field: '/payload' })
  const protocols = await registry.of(from.project)
  const family = protocols.family(name)
  if (!family) throw unknownProtocol(name, protocols.near(name), '/name')
  versionOf(family, from_version, '/from_version')
  const target = versionOf(family, to_version, '/to_version')
  const chain = family.chain(from_version, to_version)
  if (!chain) throw noChain(family, from_version, to_version)
  // The turn that the call began in may be over, and many calls may have come this far.
  const { adapted, chars } = await turns.run(() => {
    const adapted = adaptOrRefuse(payload, chain, name)
    return { adapted, chars: JSON.stringify(adapted.payload).length }
  })
  const result = await validation.check(target, from, adapted.payload, chars)
  return { ...adapted, valid: result === undefined, errors: result?.errors ?? [] }
}

function versionOf(family: Family, version: string, field: string): ProtocolVersion {
  const held = family.get(version)
  if (!held) throw unknownVersion(family, version, field)
  return held
}

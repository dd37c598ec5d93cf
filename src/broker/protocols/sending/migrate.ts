import { BrokerError } from '../../../core/errors.ts'
import { type Message, rewriteMessage, type StoredMessage } from '../../../core/message.ts'
import { satisfies } from '../../../core/protocol/versions.ts'
import type { Broker } from '../../broker.ts'
import { appendsStored } from '../../command.ts'
import { type Migrated, migrateMessages } from '../../migration.ts'
import { adaptedMisfit, adaptOrRefuse, noChain, unknownProtocol, unknownVersion } from '../refusals.ts'

/** Failures that an answer shows; all are counted. */
const FAILURES_SHOWN_MAX = 20

export interface MigrationAnswer extends Migrated {
  dry_run: boolean
  /** What adapters or the schema said of messages that are left. */
  failures: { message_id: string; reason: string }[]
}

/**
 * Turns the pending messages of a protocol that nobody was given yet into another version, by the registered
 * adapters. Each keeps its place, id and time to live.
 *
 * @param input `from_range`: which versions; all that adapters lead from if left out
 * @throws BrokerError `unknown_protocol`; `no_common_version` when no version in the range has adapters
 */
export async function migrate(
  broker: Broker,
  project: string,
  input: {
    readonly name: string
    readonly to_version: string
    readonly from_range?: string | undefined
    readonly dry_run: boolean
  },
): Promise<MigrationAnswer> {
  const { name, to_version, from_range, dry_run } = input
  const { registry, validation } = broker.protocols
  const protocols = await registry.of(project)
  const family = protocols.family(name)
  if (!family) throw unknownProtocol(name, protocols.near(name), '/name')
  const target = family.get(to_version)
  if (!target) throw unknownVersion(family, to_version, '/to_version')
  const others = family.newest
    .map(({ version }) => version)
    .filter((version) => version !== to_version && (!from_range || satisfies(version, from_range)))
  const versions = new Set(others.filter((version) => family.chain(version, to_version)))
  if (others.length === 0) throw noOthers(name, to_version, from_range)
  if (versions.size === 0) throw noChain(family, others[0]!, to_version)
  const failures: MigrationAnswer['failures'] = []
  const convert = async (message: StoredMessage, wire: Message): Promise<StoredMessage | 'left'> => {
    try {
      const version = wire.protocol_version!
      const adapted = adaptOrRefuse(wire.payload, family.chain(version, to_version)!, name)
      const adapted_from = {
        version: wire.adapted_from?.version ?? version,
        steps: stepsOf(wire, adapted.steps),
      }
      const changed = rewriteMessage(message, {
        payload: adapted.payload,
        protocol_version: to_version,
        adapted_from,
      })
      const from = { project, sender_id: message.sender_id }
      const result = await validation.check(target, from, adapted.payload, changed.bytes)
      if (result) throw adaptedMisfit(target, version, result)
      return changed
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      const { message_id } = message
      if (failures.length < FAILURES_SHOWN_MAX) failures.push({ message_id, reason: error.message })
      return 'left'
    }
  }
  // What is sent before this call is seen by it.
  if (broker.engine.flushes) await appendsStored(broker)
  const migrated = await migrateMessages(broker, {
    project,
    protocol_name: name,
    versions,
    dry_run,
    convert,
  })
  return { dry_run, ...migrated, failures }
}

/** All steps since the sender's version. */
function stepsOf({ adapted_from }: Message, steps: string[]): string[] {
  return adapted_from ? [...adapted_from.steps, ...steps] : steps
}

function noOthers(name: string, to: string, from_range: string | undefined): BrokerError {
  return new BrokerError('no_common_version', {
    field: from_range === undefined ? '/to_version' : '/from_range',
    detail:
      from_range === undefined
        ? `${name} has no version other than ${to}.`
        : `No version of ${name} other than ${to} is in the range ${from_range}.`,
    next: `See discover_protocols for the versions of ${name}.`,
    more: { would_work: [] },
  })
}

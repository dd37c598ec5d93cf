import { BrokerError } from '../../../core/errors.ts'
import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import { type MaybePromise, then } from '../../../core/maybe-promise.ts'
import { parseMessage } from '../../../core/message.ts'
import type { DeadFilter } from '../../../engine/values.ts'
import type { Broker } from '../../broker.ts'
import { payloadInvalid } from '../refusals.ts'

/** Letters in one page of a walk over them. */
const PAGE = 100
/** A letter without these characters names no protocol, so it need not be parsed. */
const NAMES_PROTOCOL = '"protocol_name"'

/**
 * The dead letters that are not to be sent again, since their payload does not fit their protocol, or cannot
 * be checked. One whose protocol is not registered is not held to it.
 *
 * @returns by message_id, one sentence: what is wrong
 */
export function unfitLetters(
  broker: Broker,
  project: string,
  filter: DeadFilter,
): MaybePromise<ReadonlyMap<string, string>> {
  const unfit = new Map<string, string>()
  const typed: DeadLetter[] = []
  const read = (after: string | undefined) => broker.engine.dead(project, filter, { after, limit: PAGE })
  const walk = broker.turns.pages(read, ({ items }) => {
    for (const letter of items) if (letter.message.json.includes(NAMES_PROTOCOL)) typed.push(letter)
    return true
  })
  return then(walk, () => (typed.length === 0 ? unfit : checkEach(broker, project, typed, unfit)))
}

async function checkEach(
  broker: Broker,
  project: string,
  letters: readonly DeadLetter[],
  unfit: Map<string, string>,
): Promise<ReadonlyMap<string, string>> {
  for (const letter of letters) {
    try {
      await broker.turns.run(() => check(broker, project, letter))
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      unfit.set(letter.message.message_id, error.message)
    }
  }
  return unfit
}

/** @throws BrokerError when the payload does not fit, or cannot be checked */
function check(broker: Broker, project: string, { message }: DeadLetter): MaybePromise<void> {
  const { protocol_name, protocol_version, payload } = parseMessage(message, 1)
  if (protocol_name === undefined || protocol_version === undefined) return
  const { registry, validation } = broker.protocols
  return then(registry.of(project), (protocols) => {
    const version = protocols.family(protocol_name)?.get(protocol_version)
    if (!version) return
    const from = { project, sender_id: message.sender_id }
    return then(validation.check(version, from, payload, message.bytes), (result) => {
      if (result) throw payloadInvalid(version, result, payload, '/payload')
    })
  })
}

import { BrokerError } from '../../../core/errors.ts'
import { type MaybePromise, then } from '../../../core/maybe-promise.ts'
import { type AdaptedFrom, type Content, rewriteMessage, type StoredMessage } from '../../../core/message.ts'
import type { ChosenVersion, VersionRefusal } from '../../../core/protocol/negotiation/choice.ts'
import type { ProtocolRules } from '../../../core/protocol/rules.ts'
import type { Session } from '../../../core/session.ts'
import type { Engine } from '../../../engine/engine.ts'
import type { ClientState, Variant } from '../../../engine/values.ts'
import { mapInTurns, type Turns } from '../../turns.ts'
import type { Family, ProtocolVersion } from '../family.ts'
import {
  adaptedMisfit,
  adaptOrRefuse,
  deprecationWarning,
  lacksCapability,
  noChain,
  noCommonVersion,
  payloadInvalid,
  unknownProtocol,
  unknownVersion,
} from '../refusals.ts'
import type { ProjectProtocols, Registry } from '../registry.ts'
import type { ProtocolTally } from '../tally.ts'
import type { NotTaken, Prepared, PreparedMany, Sending, Taker } from './prepared.ts'
import type { Validation } from './validation.ts'

export interface TypedSendsOptions {
  readonly engine: Engine
  readonly registry: Registry
  readonly validation: Validation
  readonly rules: ProtocolRules
  readonly create: (content: Content, sender_id: string, recipient_id: string | undefined) => StoredMessage
  readonly tally: ProtocolTally
  /** What adapters share a turn with. */
  readonly turns: Turns
}

const NO_WARNINGS: readonly string[] = []
/** Choosing from more versions may take a while, so that shares each turn with other long work. */
const VERSIONS_FEW = 20

/** Makes the messages that name a protocol: picks the version, holds the payload to it, adapts it. */
export class TypedSends {
  constructor(private readonly options: TypedSendsOptions) {}

  /**
   * Makes a message for one recipient.
   *
   * @param content has a `protocol_name`
   * @throws BrokerError when the protocol, its version or the payload will not do
   */
  prepare(sending: Sending, content: Content, recipient_id: string): MaybePromise<Prepared> {
    const protocols = this.options.registry.of(sending.project)
    return protocols instanceof Promise
      ? protocols.then((protocols) => this.#inProject(sending, content, recipient_id, protocols))
      : this.#inProject(sending, content, recipient_id, protocols)
  }

  #inProject(
    sending: Sending,
    content: Content,
    recipient_id: string,
    protocols: ProjectProtocols,
  ): MaybePromise<Prepared> {
    const family = this.#familyOf(protocols, content)
    if (family instanceof BrokerError) return this.#unchecked(sending, content, recipient_id, family)
    const recipient = this.options.engine.client(sending.project, { client_id: recipient_id })
    return recipient instanceof Promise
      ? recipient.then((recipient) => this.#to(recipient, sending, content, recipient_id, family))
      : this.#to(recipient, sending, content, recipient_id, family)
  }

  #to(
    recipient: ClientState | undefined,
    sending: Sending,
    content: Content,
    recipient_id: string,
    family: Family,
  ): MaybePromise<Prepared> {
    const range = rangeOf(recipient?.session, family.name)
    return isLarge(family)
      ? this.#chosenInTurn(sending, content, recipient_id, family, range)
      : this.#chosen(sending, content, recipient_id, family, range)
  }

  #chosenInTurn(
    sending: Sending,
    content: Content,
    recipient_id: string,
    family: Family,
    range: string | undefined,
  ): MaybePromise<Prepared> {
    return this.options.turns.run(() => this.#chosen(sending, content, recipient_id, family, range))
  }

  #chosen(
    sending: Sending,
    content: Content,
    recipient_id: string,
    family: Family,
    range: string | undefined,
  ): MaybePromise<Prepared> {
    return content.protocol_version === undefined
      ? this.#byName(sending, content, recipient_id, family, range)
      : this.#byVersion(sending, content, recipient_id, family, range)
  }

  /** The version that both take is sent. */
  #byName(
    sending: Sending,
    content: Content,
    recipient_id: string,
    family: Family,
    range: string | undefined,
  ): MaybePromise<Prepared> {
    const { project, sender_id } = sending
    return then(this.options.engine.client(project, { client_id: sender_id }), (sender) => {
      const choice = family.choose(rangeOf(sender?.session, family.name), range)
      if ('reason' in choice) throw noCommonVersion(family, choice, undefined, sender_id, recipient_id)
      const named = { ...content, protocol_version: choice.send }
      return this.#deliver(sending, named, recipient_id, family.get(choice.send)!, family, choice.deliver)
    })
  }

  #byVersion(
    sending: Sending,
    content: Content,
    recipient_id: string,
    family: Family,
    range: string | undefined,
  ): MaybePromise<Prepared> {
    const version = family.get(content.protocol_version!)!
    const delivery = family.delivery(version, range)
    if ('reason' in delivery)
      throw noCommonVersion(family, delivery, version.version, sending.sender_id, recipient_id)
    const warnings =
      range === undefined ? [`"${recipient_id}" does not say which versions it takes.`] : NO_WARNINGS
    return this.#deliver(sending, content, recipient_id, version, family, delivery.deliver, warnings)
  }

  #deliver(
    sending: Sending,
    content: Content,
    recipient_id: string,
    version: ProtocolVersion,
    family: Family,
    deliver: string,
    warnings: readonly string[] = NO_WARNINGS,
  ): MaybePromise<Prepared> {
    const told = withDeprecation(warnings, version)
    const message = this.#fitting(sending, content, recipient_id, version)
    return message instanceof Promise || deliver !== version.version
      ? then(message, (message) => this.#made(sending, content, message, version, family, deliver, told))
      : { message, protocol_version: deliver, warnings: told }
  }

  #made(
    sending: Sending,
    content: Content,
    message: StoredMessage,
    version: ProtocolVersion,
    family: Family,
    deliver: string,
    warnings: readonly string[],
  ): MaybePromise<Prepared> {
    if (deliver === version.version) return { message, protocol_version: deliver, warnings }
    return then(this.#adapt(sending, content, message, family, deliver), ({ message, adapted_from }) => ({
      message,
      protocol_version: deliver,
      adapted_from,
      warnings,
    }))
  }

  /**
   * Makes a broadcast. Each recipient gets its own version. Those who can be given none are refused.
   *
   * @param content has a `protocol_name`
   * @param takersOf finds the recipients, and the range of the protocol `name` that each takes
   * @throws BrokerError when the protocol, its version or the payload will not do
   */
  prepareMany(
    sending: Sending,
    content: Content,
    takersOf: (name: string) => MaybePromise<readonly Taker[]>,
  ): MaybePromise<PreparedMany> {
    const { project, sender_id } = sending
    const name = content.protocol_name!
    return then(this.options.registry.of(project), (protocols) =>
      then(takersOf(name), (takers) => {
        const family = this.#familyOf(protocols, content)
        if (family instanceof BrokerError) {
          const { message, warnings } = this.#unchecked(sending, content, undefined, family)
          return { variants: [{ message, recipients: takers.map(clientId) }], refused: [], warnings }
        }
        if (content.protocol_version !== undefined)
          return this.#deliverToMany(sending, content, family, takers)
        return then(this.options.engine.client(project, { client_id: sender_id }), (sender) => {
          const choice = family.choose(rangeOf(sender?.session, name), undefined)
          if ('reason' in choice) throw noCommonVersion(family, choice, undefined, sender_id, undefined)
          return this.#deliverToMany(sending, { ...content, protocol_version: choice.send }, family, takers)
        })
      }),
    )
  }

  #deliverToMany(
    sending: Sending,
    content: Content,
    family: Family,
    takers: readonly Taker[],
  ): MaybePromise<PreparedMany> {
    const version = family.get(content.protocol_version!)!
    return then(this.#fitting(sending, content, undefined, version), (message) => {
      // Each may have a range of its own, and each version adapters of its own, so this may take long.
      const choosing = mapInTurns(takers, ({ range }) => family.delivery(version, range))
      return then(choosing, (choices) => {
        const { groups, refused } = grouped(family, version, takers, choices)
        const making = mapInTurns([...groups], ([deliver, recipients]) =>
          this.#variant(sending, content, message, family, deliver, recipients),
        )
        return then(making, (made) => ({
          variants: variantsOf(made, message),
          refused: [...refused, ...made.flatMap((one) => ('message' in one ? [] : one.refused))],
          protocol_version: version.version,
          warnings: withDeprecation([], version),
        }))
      })
    })
  }

  #variant(
    sending: Sending,
    content: Content,
    message: StoredMessage,
    family: Family,
    deliver: string,
    recipients: readonly string[],
  ): MaybePromise<Variant | { readonly refused: readonly NotTaken[] }> {
    if (deliver === content.protocol_version) return { message, recipients }
    const failed = (error: unknown) => {
      if (!(error instanceof BrokerError)) throw error
      const { code: reason, message: detail } = error
      return { refused: recipients.map((recipient_id) => ({ recipient_id, reason, detail })) }
    }
    try {
      const adapting = this.#adapt(sending, content, message, family, deliver)
      if (!(adapting instanceof Promise)) return { message: adapting.message, recipients }
      return adapting.then(({ message }) => ({ message, recipients }), failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** The message as the sender means it, once its payload fits. @throws BrokerError */
  #fitting(
    sending: Sending,
    content: Content,
    recipient_id: string | undefined,
    version: ProtocolVersion,
  ): MaybePromise<StoredMessage> {
    const { validation, tally, create } = this.options
    if (!version.registered.capabilities.includes(sending.by)) throw lacksCapability(version, sending.by)
    const message = create(content, sending.sender_id, recipient_id)
    const payload = content.message ?? content.payload
    const checked = validation.check(version, sending, payload, message.bytes)
    if (checked === undefined) return message
    return then(checked, (result) => {
      if (!result) return message
      tally.refused(result.errors)
      throw payloadInvalid(version, result, payload, content.message === undefined ? '/payload' : '/message')
    })
  }

  /** The same message in another version. @throws BrokerError `adapter_failed` */
  #adapt(
    sending: Sending,
    { message: text, payload, protocol_version }: Content,
    message: StoredMessage,
    family: Family,
    deliver: string,
  ): MaybePromise<{ readonly message: StoredMessage; readonly adapted_from: AdaptedFrom }> {
    const version = protocol_version!
    const chain = family.chain(version, deliver)
    // Versions may have been registered since the choice, and chains are looked for within bounds.
    if (!chain) throw noChain(family, version, deliver)
    const { turns, tally, validation } = this.options
    const adapting = turns.run(() => adaptOrRefuse(text ?? payload, chain, family.name))
    return then(adapting, (adapted) => {
      tally.adapted(chain.length)
      const adapted_from = { version, steps: adapted.steps }
      const changed = rewriteMessage(message, {
        payload: adapted.payload,
        protocol_version: deliver,
        adapted_from,
      })
      const target = family.get(deliver)!
      return then(validation.check(target, sending, adapted.payload, changed.bytes), (result) => {
        if (result) throw adaptedMisfit(target, version, result)
        return { message: changed, adapted_from }
      })
    })
  }

  /** The protocol, if it has the version that is named, else why not. */
  #familyOf(protocols: ProjectProtocols, { protocol_name, protocol_version }: Content): Family | BrokerError {
    const name = protocol_name!
    const family = protocols.family(name)
    if (!family) return unknownProtocol(name, protocols.near(name))
    if (protocol_version === undefined || family.get(protocol_version)) return family
    return unknownVersion(family, protocol_version)
  }

  /** What is not registered is let through with a warning, or refused, as the project's mode says. */
  #unchecked(
    { sender_id }: Sending,
    content: Content,
    recipient_id: string | undefined,
    refusal: BrokerError,
  ): Prepared {
    if (this.options.rules.protocol_mode !== 'open') throw refusal
    const message = this.options.create(content, sender_id, recipient_id)
    return { message, warnings: [`The payload was not checked. ${refusal.message}`] }
  }
}

function isLarge(family: Family): boolean {
  return family.newest.length > VERSIONS_FEW
}

function clientId({ client_id }: Taker): string {
  return client_id
}

/** What the client of a session says of the versions of a protocol that it takes; undefined: nothing. */
export function rangeOf(session: Session | undefined, name: string): string | undefined {
  const protocols = session?.capabilities.protocols
  return protocols && Object.hasOwn(protocols, name) ? protocols[name] : undefined
}

function withDeprecation(warnings: readonly string[], version: ProtocolVersion): readonly string[] {
  return version.registered.deprecated ? [...warnings, deprecationWarning(version)] : warnings
}

/** What can be stored; a broadcast that nobody is given is one message without recipients. */
function variantsOf(made: readonly (Variant | object)[], message: StoredMessage): readonly Variant[] {
  const variants = made.flatMap((one) => ('message' in one ? [one] : []))
  return variants.length > 0 ? variants : [{ message, recipients: [] }]
}

/** The recipients by the version that they are given. @param choices one for each */
function grouped(
  family: Family,
  version: ProtocolVersion,
  takers: readonly Taker[],
  choices: readonly (ChosenVersion | VersionRefusal)[],
) {
  const groups = new Map<string, string[]>()
  const refused: NotTaken[] = []
  for (const [at, { client_id, range }] of takers.entries()) {
    const delivery = choices[at]!
    if ('reason' in delivery) {
      const detail = `${client_id} takes ${family.name} ${range}, and nothing leads there from ${version.version}.`
      refused.push({ recipient_id: client_id, reason: 'no_common_version', detail })
    } else groups.getOrInsertComputed(delivery.deliver, () => []).push(client_id)
  }
  return { groups, refused }
}

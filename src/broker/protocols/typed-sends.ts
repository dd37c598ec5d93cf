import { BrokerError } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { type AdaptedFrom, type Content, rewriteMessage, type StoredMessage } from '../../core/message.ts'
import type { ChosenVersion, VersionRefusal } from '../../core/protocol/choice.ts'
import type { ProtocolCapability } from '../../core/protocol/definition.ts'
import type { ProtocolRules } from '../../core/protocol/rules.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ClientState, Variant } from '../../engine/values.ts'
import { mapInTurns, type Turns } from '../turns.ts'
import type { Family, ProtocolVersion } from './family.ts'
import {
  adaptedMisfit,
  adaptOrRefuse,
  deprecationWarning,
  lacksCapability,
  noCommonVersion,
  payloadInvalid,
  unknownProtocol,
  unknownVersion,
} from './refusals.ts'
import type { ProjectProtocols, Registry } from './registry.ts'
import type { ProtocolTally } from './tally.ts'
import type { Validation } from './validation.ts'

/** What a receipt says of a message's protocol. */
export interface Terms {
  /** The version that the recipient gets; of a broadcast the one that was sent. None unless registered. */
  readonly protocol_version?: string
  /** What the payload was before adapters turned it into that version. */
  readonly adapted_from?: AdaptedFrom
  readonly warnings: readonly string[]
}

/** A message that is ready to be stored for one recipient. */
export interface Prepared extends Terms {
  readonly message: StoredMessage
}

/** A recipient of a broadcast, and the range of the protocol that it takes; undefined: it does not say. */
export interface Taker {
  readonly client_id: string
  readonly range: string | undefined
}

export interface NotTaken {
  readonly recipient_id: string
  readonly reason: string
  /** One sentence. */
  readonly detail: string
}

/** A broadcast that is ready to be stored: a message for each version, encoded once. */
export interface PreparedMany extends Terms {
  readonly variants: readonly Variant[]
  readonly refused: readonly NotTaken[]
}

/** Who sends, and by which way, which a protocol may rule out. */
export interface Sending {
  readonly project: string
  readonly sender_id: string
  readonly by: ProtocolCapability
}

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
    const { project } = sending
    return then(this.options.registry.of(project), (protocols) => {
      const family = this.#familyOf(protocols, content)
      if (family instanceof BrokerError) return this.#unchecked(sending, content, recipient_id, family)
      return then(this.options.engine.client(project, { client_id: recipient_id }), (recipient) => {
        const range = rangeOf(recipient, family.name)
        return isLarge(family) && this.options.turns.full
          ? this.options.turns.inLaterTurn(() => this.#to(sending, content, recipient_id, family, range))
          : this.#to(sending, content, recipient_id, family, range)
      })
    })
  }

  #to(
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
      const sender_range = rangeOf(sender, family.name)
      const choice = isLarge(family)
        ? this.options.turns.timed(() => family.choose(sender_range, range))
        : family.choose(sender_range, range)
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
    const delivery = isLarge(family)
      ? this.options.turns.timed(() => family.delivery(version.version, range))
      : family.delivery(version.version, range)
    if ('reason' in delivery)
      throw noCommonVersion(family, delivery, version.version, sending.sender_id, recipient_id)
    const warnings = range === undefined ? [`"${recipient_id}" does not say which versions it takes.`] : []
    return this.#deliver(sending, content, recipient_id, version, family, delivery.deliver, warnings)
  }

  #deliver(
    sending: Sending,
    content: Content,
    recipient_id: string,
    version: ProtocolVersion,
    family: Family,
    deliver: string,
    warnings: readonly string[] = [],
  ): MaybePromise<Prepared> {
    const told = withDeprecation(warnings, version)
    return then(this.#fitting(sending, content, recipient_id, version), (message) => {
      if (deliver === version.version) return { message, protocol_version: deliver, warnings: told }
      return then(this.#adapt(sending, content, message, family, deliver), ({ message, adapted_from }) => ({
        message,
        protocol_version: deliver,
        adapted_from,
        warnings: told,
      }))
    })
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
          const choice = family.choose(rangeOf(sender, name), undefined)
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
      const choosing = mapInTurns(takers, ({ range }) => family.delivery(version.version, range))
      return then(choosing, (choices) => {
        const { groups, refused } = grouped(family, version.version, takers, choices)
        const making = mapInTurns([...groups], ([deliver, recipients]) =>
          this.#variant(sending, content, message, family, deliver, recipients),
        )
        return then(making, (made) => ({
          variants: orNobody(
            made.flatMap((one) => ('message' in one ? [one] : [])),
            message,
          ),
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
    return then(validation.check(version, sending, payload, message.bytes), (result) => {
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
    const chain = family.chain(version, deliver)!
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
    if (!family) return unknownProtocol(name, protocols.names())
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

/** What a client says of the versions of a protocol that it takes; undefined: nothing. */
export function rangeOf(client: ClientState | undefined, name: string): string | undefined {
  const protocols = client?.session?.capabilities.protocols
  return protocols && Object.hasOwn(protocols, name) ? protocols[name] : undefined
}

/** A broadcast that nobody takes is one all the same, with a message_id and no recipients. */
function orNobody(variants: readonly Variant[], message: StoredMessage): readonly Variant[] {
  return variants.length > 0 ? variants : [{ message, recipients: [] }]
}

function withDeprecation(warnings: readonly string[], version: ProtocolVersion): readonly string[] {
  return version.registered.deprecated ? [...warnings, deprecationWarning(version)] : warnings
}

/** The recipients by the version that they are given. @param choices one for each */
function grouped(
  family: Family,
  version: string,
  takers: readonly Taker[],
  choices: readonly (ChosenVersion | VersionRefusal)[],
) {
  const groups = new Map<string, string[]>()
  const refused: NotTaken[] = []
  for (const [at, { client_id, range }] of takers.entries()) {
    const delivery = choices[at]!
    if ('reason' in delivery) {
      const detail = `${client_id} takes ${family.name} ${range}, and nothing leads there from ${version}.`
      refused.push({ recipient_id: client_id, reason: 'no_common_version', detail })
    } else groups.getOrInsertComputed(delivery.deliver, () => []).push(client_id)
  }
  return { groups, refused }
}

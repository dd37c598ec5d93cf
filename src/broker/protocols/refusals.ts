import { BrokerError } from '../../core/errors.ts'
import { adapt, type Step } from '../../core/protocol/adapter/chain.ts'
import { AdapterFailure } from '../../core/protocol/adapter/failure.ts'
import type { ProtocolCapability } from '../../core/protocol/definition.ts'
import type { VersionRefusal } from '../../core/protocol/negotiation/choice.ts'
import type { Explanation } from '../../core/protocol/schema/explain/explain.ts'
import { shortened } from '../../core/shortened.ts'
import { fittingExample } from './examples.ts'
import type { Family, ProtocolVersion } from './family.ts'

/** Versions that an error lists. */
const VERSIONS_SHOWN_MAX = 10

/** @param near the known names nearest to it */
export function unknownProtocol(
  name: string,
  near: readonly string[],
  field = '/protocol_name',
): BrokerError {
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
  return new BrokerError('unknown_protocol', {
    field,
    detail: `No protocol "${shortened(name)}" is registered.${hint}`,
    more: { near_names: near },
  })
}

export function unknownVersion(family: Family, version: string, field = '/protocol_version'): BrokerError {
  const versions = family.newest.slice(0, VERSIONS_SHOWN_MAX).map(({ version }) => version)
  return new BrokerError('unknown_protocol', {
    field,
    detail: `${family.name} has no version "${shortened(version)}"; there is ${versions.join(', ')}.`,
    next:
      field === '/protocol_version'
        ? 'Send one of these versions, or leave protocol_version out and have the broker choose.'
        : 'Name one of these versions, or register this one.',
    more: { versions },
  })
}

export function protocolRequired(): BrokerError {
  return new BrokerError('protocol_required', { field: '/protocol_name' })
}

/** The command that each capability is needed for; `streaming` only informs. */
const WAYS: Readonly<Partial<Record<ProtocolCapability, string>>> = {
  point_to_point: 'send_message',
  broadcast: 'broadcast_message',
  request_response: 'send_message_and_wait',
}

export function lacksCapability({ name, version, registered }: ProtocolVersion, by: ProtocolCapability) {
  const ways = registered.capabilities.flatMap((capability) => WAYS[capability] ?? []).join(' or ')
  return new BrokerError('missing_capability', {
    field: '/protocol_name',
    detail: `${name} ${version} is not made for ${WAYS[by]}: it lacks the capability ${by}.`,
    next: `Use ${ways || 'another protocol'}, or register a version with ${by}.`,
    more: { missing: by, capabilities: registered.capabilities },
  })
}

/**
 * @param version the one that the sender named, if it did
 * @param recipient_id undefined for a broadcast
 */
export function noCommonVersion(
  { name }: Family,
  { ranges, would_work, who }: VersionRefusal,
  version: string | undefined,
  sender_id: string,
  recipient_id: string | undefined,
): BrokerError {
  const named: Record<string, string> = {}
  if (ranges.sender !== undefined) named[sender_id] = ranges.sender
  if (ranges.recipient !== undefined && recipient_id !== undefined) named[recipient_id] = ranges.recipient
  const mover = who === 'sender' ? sender_id : (recipient_id ?? 'the recipients')
  const sent = version ?? (ranges.sender === undefined ? 'no version' : ranges.sender)
  const taken = ranges.recipient === undefined ? '' : `, and ${recipient_id} takes ${ranges.recipient}`
  const best = would_work[0]
  return new BrokerError('no_common_version', {
    field: '/protocol_version',
    detail: `${sender_id} sends ${name} ${sent}${taken}: no registered version fits, and no adapters lead there.`,
    ...(best === undefined
      ? {}
      : { next: `${mover} would have to ${who === 'sender' ? 'send' : 'accept'} ${name} ${best}.` }),
    more: { ranges: named, would_work, who: mover },
  })
}

export function payloadInvalid(
  version: ProtocolVersion,
  { errors, total }: Explanation,
  payload: unknown,
  field: string,
): BrokerError {
  const example = fittingExample(version.registered, payload)
  const first = errors[0]
  return new BrokerError('payload_invalid', {
    field: shortened(`${field}${first?.path ?? ''}`),
    detail: `The payload does not fit ${version.name} ${version.version}: ${first?.sentence ?? 'it is refused.'}`,
    ...(example
      ? {}
      : {
          next: `Correct what errors lists; ${version.name} ${version.version} has no example of a payload.`,
        }),
    more: { errors, errors_total: total, ...(example ? { example: example.payload } : {}) },
  })
}

/** Turns a payload into another version. @throws BrokerError `adapter_failed` */
export function adaptOrRefuse(payload: unknown, chain: readonly Step[], name: string) {
  try {
    return adapt(payload, chain)
  } catch (error) {
    if (!(error instanceof AdapterFailure)) throw error
    const { op, op_name, path, step, sentence } = error
    throw new BrokerError('adapter_failed', {
      field: shortened(`/payload${path}`),
      detail: `The adapter ${name} ${step} failed${op === undefined ? '' : ` at operation ${op} (${op_name})`}, at "${shortened(path)}": ${sentence}`,
      more: { ...(op === undefined ? {} : { op, op_name }), path, step },
    })
  }
}

/** What the adapters made does not fit the version that it was made for. */
export function adaptedMisfit(version: ProtocolVersion, from: string, { errors, total }: Explanation) {
  const first = errors[0]
  return new BrokerError('adapter_failed', {
    field: shortened(`/payload${first?.path ?? ''}`),
    detail: `The payload, adapted from ${from}, does not fit ${version.name} ${version.version}: ${first?.sentence ?? 'it is refused.'}`,
    more: { path: first?.path ?? '', step: `${from}→${version.version}`, errors, errors_total: total },
  })
}

export function deprecationWarning({ name, version, registered: { deprecated } }: ProtocolVersion): string {
  const { message, successor } = deprecated!
  const instead = successor === undefined ? '' : ` Use ${successor} instead.`
  const why = message === undefined ? '.' : `: ${message}${/[.!?]$/.test(message) ? '' : '.'}`
  return `${name} ${version} is deprecated${why}${instead}`
}

/** No adapters lead from one version to another. */
export function noChain(family: Family, from: string, to: string): BrokerError {
  const would_work = family.newest
    .map(({ version }) => version)
    .filter((version) => version !== from && family.chain(from, version) !== undefined)
    .slice(0, VERSIONS_SHOWN_MAX)
  const reach = would_work.length > 0 ? ` From ${from} they lead to ${would_work.join(', ')}.` : ''
  return new BrokerError('no_common_version', {
    field: '/to_version',
    detail: `No adapters lead from ${family.name} ${from} to ${to}.${reach}`,
    next: `Register a higher version with adapters: up from ${from}, and down to ${to}.`,
    more: { would_work },
  })
}

import {
  type ReadResourceResult,
  type Resource,
  ResourceNotFoundError,
  type ResourceTemplateType,
} from '@modelcontextprotocol/server'
import { type Identity, requireScope } from '../../auth/identity.ts'
import type { Broker } from '../../broker/broker.ts'

export const PROTOCOL_TEMPLATE: ResourceTemplateType = {
  uriTemplate: 'protocol://{name}/{version}',
  name: 'protocol',
  title: 'A version of a protocol',
  description: 'Its JSON Schema, examples and adapters. discover_protocols finds names and versions.',
  mimeType: 'application/json',
}

const PROTOCOL_URI = /^protocol:\/\/([a-z0-9_]{1,64})\/([0-9A-Za-z.-]{1,64})$/

export function isProtocolUri(uri: string): boolean {
  return uri.startsWith('protocol:')
}

/** @throws ProtocolError `-32602` with the URI where there is no such version; BrokerError `forbidden` */
export async function readProtocol(
  broker: Broker,
  identity: Identity,
  uri: string,
): Promise<ReadResourceResult> {
  requireScope(identity, 'read', 'Reading a protocol')
  const [, name = '', version = ''] = PROTOCOL_URI.exec(uri) ?? []
  const protocols = await broker.protocols.registry.of(identity.project)
  const held = protocols.family(name)?.get(version)
  if (!held)
    throw new ResourceNotFoundError(uri, 'There is no such protocol version; discover_protocols lists them.')
  const { registered_ms: _, slow: __, ...definition } = held.registered
  return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(definition) }] }
}

/** The newest version of each protocol after `name`, in order of name. */
export async function listProtocols(
  broker: Broker,
  identity: Identity,
  after: string,
  limit: number,
): Promise<{ resources: Resource[]; next?: string }> {
  if (!identity.scopes.has('read')) return { resources: [] }
  const protocols = await broker.protocols.registry.of(identity.project)
  const names = protocols.names().filter((name) => name > after)
  const resources = names.slice(0, limit).map((name) => {
    const { version, registered } = protocols.family(name)!.newest[0]!
    const { description } = registered.metadata
    return {
      uri: `protocol://${name}/${version}`,
      name: `${name} ${version}`,
      title: `Protocol ${name}`,
      ...(description === undefined ? {} : { description: description.slice(0, 200) }),
      mimeType: 'application/json',
    }
  })
  const last = names.length > limit ? names[limit - 1] : undefined
  return { resources, ...(last === undefined ? {} : { next: last }) }
}

import type { ProtocolDefinition } from '../definition.ts'

const DAY_SECONDS = 86_400

const lease_id = { $ref: '#/$defs/lease_id' }
const paths = { $ref: '#/$defs/paths' }
const mode = { $ref: '#/$defs/mode' }
const ttl_seconds = { $ref: '#/$defs/ttl_seconds' }
const reason = { $ref: '#/$defs/reason' }
const holders = { $ref: '#/$defs/holders' }
const expires_at = { $ref: '#/$defs/expires_at' }

/** One shape of a lease message: `kind` first, then what it says besides. */
function branch(kind: string, description: string, properties: object, required: readonly string[]) {
  return {
    description,
    properties: { kind: { const: kind }, ...properties },
    required: ['kind', ...required],
    additionalProperties: false,
  }
}

/** Leases on files, which one client grants to all others. */
export const FILE_LEASE: ProtocolDefinition = {
  name: 'file_lease',
  version: '1.0.0',
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    required: ['kind'],
    properties: {
      kind: {
        enum: ['acquire', 'granted', 'denied', 'renew', 'release', 'released', 'conflict'],
        description: 'what the message does; it decides which members there are',
      },
    },
    oneOf: [
      branch(
        'acquire',
        'To the keeper: asks for all of the paths, or for none of them.',
        { lease_id, paths, mode, ttl_seconds, reason },
        ['lease_id', 'paths'],
      ),
      branch(
        'granted',
        'From the keeper: the lease is held until expires_at. It answers acquire and renew.',
        {
          lease_id,
          paths,
          mode,
          ttl_seconds,
          expires_at,
          fence: {
            type: 'integer',
            minimum: 1,
            description:
              'rises with each grant and stays the same when renewed: of two writers the higher is right',
          },
        },
        ['lease_id', 'paths', 'mode', 'ttl_seconds', 'expires_at', 'fence'],
      ),
      branch(
        'denied',
        'From the keeper: what was asked for is not granted. It answers acquire and renew.',
        { lease_id, reason, holders },
        ['lease_id', 'reason'],
      ),
      branch(
        'renew',
        'To the keeper: asks to hold the lease for longer, counted anew from here.',
        { lease_id, ttl_seconds },
        ['lease_id'],
      ),
      branch('release', 'To the keeper: the paths are free for others.', { lease_id }, ['lease_id']),
      branch(
        'released',
        'From the keeper: the lease is held no more. It answers release, also of a lease that had ended.',
        { lease_id, reason },
        ['lease_id'],
      ),
      branch(
        'conflict',
        'To a client that works on paths which others hold: it stops writing there. It answers the renew ' +
          'of a lease that ran out and whose paths went to another; whoever watches changes may send it too.',
        { lease_id, paths, holders, reason },
        ['paths', 'holders'],
      ),
    ],
    $defs: {
      lease_id: {
        type: 'string',
        minLength: 1,
        maxLength: 128,
        description: 'chosen by who asks, the same in all messages about the lease',
      },
      paths: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        items: { type: 'string', minLength: 1, maxLength: 512 },
        description: "paths from the repository's root, or globs such as src/**",
      },
      mode: {
        enum: ['exclusive', 'shared'],
        description: 'shared leases go together, an exclusive one with none; exclusive if left out',
      },
      ttl_seconds: {
        type: 'integer',
        minimum: 1,
        maximum: DAY_SECONDS,
        description: 'how long the lease is held unless it is renewed; the keeper chooses if left out',
      },
      expires_at: {
        type: 'string',
        minLength: 1,
        maxLength: 64,
        description: "when it ends by the keeper's clock, RFC 3339",
      },
      reason: { type: 'string', minLength: 1, maxLength: 1000, description: 'why, for people and agents' },
      holders: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        description: 'who holds some of the paths',
        items: {
          type: 'object',
          required: ['client_id', 'paths', 'expires_at', 'remaining_seconds'],
          additionalProperties: false,
          properties: {
            client_id: { type: 'string', minLength: 1, maxLength: 128, description: 'who to talk to' },
            paths,
            mode,
            expires_at,
            remaining_seconds: {
              type: 'integer',
              minimum: 0,
              maximum: DAY_SECONDS,
              description: 'how long until then, rounded up',
            },
          },
        },
      },
    },
  },
  capabilities: ['point_to_point', 'request_response'],
  metadata: {
    description:
      'Leases on files, so that two agents do not write the same file at once. One client is the keeper ' +
      'and decides: all others ask it, by convention at the address leases. A lease ends by itself, so ' +
      'that a client that is gone blocks nobody. Leases are advisory: they keep nobody from writing who ' +
      'did not ask.',
    author: 'mcp-broker',
    tags: ['ready', 'coordination'],
    agent_notes:
      'Ask before you write: send acquire to leases with send_message_and_wait, all paths of the change ' +
      'in one request, and write only after granted. The broker grants nothing itself: without a keeper ' +
      'there is no answer, and no lease. Choose a lease_id that you have not used; the same acquire ' +
      'again, after an answer was lost, is the same lease. Renew well before expires_at, and release as ' +
      'soon as you have written. After denied, wait the remaining_seconds of the holders, or ask them by ' +
      'chat. After conflict, stop writing, and look at what the holder has changed. Where a store takes a ' +
      'fence, give it, so that it can refuse a lower one than it has seen.',
    examples: [
      {
        name: 'acquire',
        payload: {
          kind: 'acquire',
          lease_id: 'frontend-1',
          paths: ['src/users/list.ts', 'tests/users/**'],
          mode: 'exclusive',
          ttl_seconds: 600,
          reason: 'Paging of GET /v1/users',
        },
      },
      {
        name: 'granted',
        payload: {
          kind: 'granted',
          lease_id: 'frontend-1',
          paths: ['src/users/list.ts', 'tests/users/**'],
          mode: 'exclusive',
          ttl_seconds: 600,
          expires_at: '2026-07-01T12:10:00.000Z',
          fence: 42,
        },
      },
      {
        name: 'denied',
        payload: {
          kind: 'denied',
          lease_id: 'frontend-1',
          reason: 'backend holds some of the paths.',
          holders: [
            {
              client_id: 'backend',
              paths: ['src/users/**'],
              mode: 'exclusive',
              expires_at: '2026-07-01T12:04:10.000Z',
              remaining_seconds: 250,
            },
          ],
        },
      },
      { name: 'renew', payload: { kind: 'renew', lease_id: 'frontend-1', ttl_seconds: 600 } },
      { name: 'release', payload: { kind: 'release', lease_id: 'frontend-1' } },
      { name: 'released', payload: { kind: 'released', lease_id: 'frontend-1' } },
      {
        name: 'conflict',
        payload: {
          kind: 'conflict',
          lease_id: 'frontend-1',
          paths: ['src/users/list.ts', 'tests/users/**'],
          holders: [
            {
              client_id: 'backend',
              paths: ['src/users/**'],
              mode: 'exclusive',
              expires_at: '2026-07-01T12:20:00.000Z',
              remaining_seconds: 540,
            },
          ],
          reason: 'The lease ran out before it was renewed.',
        },
      },
    ],
    examples_invalid: [
      {},
      { kind: 'acquire', lease_id: 'frontend-1' },
      { kind: 'acquire', lease_id: 'frontend-1', paths: [] },
      { kind: 'acquire', lease_id: 'frontend-1', paths: 'src/users/list.ts' },
      { kind: 'acquire', lease_id: 'frontend-1', paths: ['src/a.ts'], ttl_seconds: 0 },
      { kind: 'acquire', lease_id: 'frontend-1', paths: ['src/a.ts'], mode: 'write' },
      { kind: 'granted', lease_id: 'frontend-1', paths: ['src/a.ts'] },
      { kind: 'denied', lease_id: 'frontend-1' },
      { kind: 'release', lease_id: 'frontend-1', paths: ['src/a.ts'] },
      { kind: 'lock', lease_id: 'frontend-1' },
    ],
  },
  adapters: [],
}

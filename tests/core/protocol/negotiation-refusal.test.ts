import { describe, expect, test } from 'bun:test'
import type { RegisteredVersion } from '../../../src/core/protocol/negotiation/choice.ts'
import { negotiate } from '../../../src/core/protocol/negotiation/negotiation.ts'
import type { Suggestion } from '../../../src/core/protocol/negotiation/refusal.ts'
import { between } from './parties.ts'

describe('a refusal', () => {
  const cases: [
    string,
    Record<string, string> | undefined,
    Record<string, string> | undefined,
    string[],
    Parameters<typeof between>[3],
    object,
    Omit<Suggestion, 'protocol'>[],
  ][] = [
    [
      'not registered',
      { chat: '^1.2' },
      { chat: '>=1.4' },
      [],
      {},
      {
        reason: 'not_registered',
        ranges: { frontend: '^1.2', backend: '>=1.4' },
        sentence: 'No version of chat is registered.',
      },
      [{ action: 'register', to: '1.4.0', sentence: 'Somebody would have to register chat 1.4.0.' }],
    ],
    [
      'not registered, and ranges that no version can be in',
      { chat: '^1' },
      { chat: '^2' },
      [],
      {},
      {
        reason: 'not_registered',
        ranges: { frontend: '^1', backend: '^2' },
        sentence: 'No version of chat is registered.',
      },
      [{ action: 'register', sentence: 'Somebody would have to register chat in another version.' }],
    ],
    [
      'not offered by one side',
      { chat: '^1' },
      { task: '^1' },
      ['1.0.0', '1.1.0', '2.0.0'],
      { required: 'chat' },
      {
        reason: 'not_offered',
        ranges: { frontend: '^1' },
        who: ['backend'],
        sentence: 'backend does not offer chat.',
      },
      [
        {
          who: 'backend',
          action: 'offer',
          to: '1.1.0',
          sentence: 'backend would have to offer chat 1.1.0, and offers no version of it.',
        },
      ],
    ],
    [
      'not offered by either',
      undefined,
      undefined,
      ['1.0.0', '2.0.0-rc.1'],
      { required: 'chat' },
      {
        reason: 'not_offered',
        ranges: {},
        who: ['frontend', 'backend'],
        sentence: 'Neither frontend nor backend offers chat.',
      },
      [
        {
          who: 'frontend',
          action: 'offer',
          to: '1.0.0',
          sentence: 'frontend would have to offer chat 1.0.0, and offers no version of it.',
        },
        {
          who: 'backend',
          action: 'offer',
          to: '1.0.0',
          sentence: 'backend would have to offer chat 1.0.0, and offers no version of it.',
        },
      ],
    ],
    [
      'ranges that meet where nothing is registered',
      { chat: '^1' },
      { chat: '>=1.4 <3' },
      ['1.2.0', '2.0.0'],
      {},
      {
        reason: 'no_common_version',
        ranges: { frontend: '^1', backend: '>=1.4 <3' },
        sentence:
          'frontend takes chat ^1 and backend >=1.4 <3; the ranges meet only where no version is registered.',
      },
      [
        {
          who: 'frontend',
          action: 'upgrade',
          to: '2.0.0',
          sentence: 'frontend would have to accept chat 2.0.0 (now ^1).',
        },
      ],
    ],
    [
      'an empty range',
      { chat: '^9' },
      { chat: '^1' },
      ['1.2.0', '2.0.0'],
      {},
      {
        reason: 'no_common_version',
        ranges: { frontend: '^9', backend: '^1' },
        sentence: 'No registered version of chat is in the range of frontend, ^9.',
      },
      [
        {
          who: 'frontend',
          action: 'accept',
          to: '1.2.0',
          sentence: 'frontend would have to accept chat 1.2.0 (now ^9).',
        },
      ],
    ],
    [
      'a range that cannot be read',
      { chat: '^1' },
      { chat: 'latest' },
      ['1.2.0'],
      {},
      {
        reason: 'no_common_version',
        ranges: { frontend: '^1', backend: 'latest' },
        sentence: 'The range of backend for chat cannot be read, so it takes no version.',
      },
      [
        {
          who: 'backend',
          action: 'accept',
          to: '1.2.0',
          sentence: 'backend would have to accept chat 1.2.0 (now latest).',
        },
      ],
    ],
    [
      'a required range that the common versions are outside of',
      { chat: '>=1' },
      { chat: '^1' },
      ['1.0.0', '1.1.0', '2.0.0'],
      { required: { chat: '^2' } },
      {
        reason: 'no_common_version',
        ranges: { frontend: '>=1', backend: '^1' },
        sentence: 'Both take chat 1.1.0, 1.0.0, but ^2 is required.',
      },
      [
        {
          who: 'backend',
          action: 'upgrade',
          to: '2.0.0',
          sentence: 'backend would have to accept chat 2.0.0 (now ^1).',
        },
      ],
    ],
    [
      'a downgrade, where nothing lies above',
      { chat: '^2' },
      { chat: '^1' },
      ['1.0.0', '2.0.0'],
      { required: { chat: '^1' } },
      {
        reason: 'no_common_version',
        ranges: { frontend: '^2', backend: '^1' },
        sentence: 'frontend takes chat ^2 and backend ^1; the ranges have no version in common.',
      },
      [
        {
          who: 'frontend',
          action: 'downgrade',
          to: '1.0.0',
          sentence: 'frontend would have to accept chat 1.0.0 (now ^2).',
        },
      ],
    ],
    [
      'deprecated, with a newer version',
      { chat: '^1' },
      { chat: '^1' },
      ['1.0.0!', '1.1.0!', '2.0.0'],
      {},
      {
        reason: 'deprecated',
        ranges: { frontend: '^1', backend: '^1' },
        sentence: 'Both take chat 1.1.0, 1.0.0, of which every version that would do is deprecated.',
      },
      [
        {
          who: 'frontend',
          action: 'upgrade',
          to: '2.0.0',
          sentence: 'frontend would have to accept chat 2.0.0 (now ^1).',
        },
        {
          who: 'backend',
          action: 'upgrade',
          to: '2.0.0',
          sentence: 'backend would have to accept chat 2.0.0 (now ^1).',
        },
      ],
    ],
    [
      'deprecated, all of it',
      { chat: '^1' },
      { chat: '^1' },
      ['1.0.0!', '1.1.0!'],
      {},
      {
        reason: 'deprecated',
        ranges: { frontend: '^1', backend: '^1' },
        sentence: 'Both take chat 1.1.0, 1.0.0, of which every version that would do is deprecated.',
      },
      [{ action: 'register', to: '1.2.0', sentence: 'Somebody would have to register chat 1.2.0.' }],
    ],
    [
      'no deprecated version, though one side takes it',
      { chat: '>=1' },
      { chat: '>=1.1' },
      ['1.0.0!'],
      {},
      {
        reason: 'no_common_version',
        ranges: { frontend: '>=1', backend: '>=1.1' },
        sentence: 'No registered version of chat is in the range of backend, >=1.1.',
      },
      [{ action: 'register', to: '1.1.0', sentence: 'Somebody would have to register chat 1.1.0.' }],
    ],
    [
      'a capability that none has',
      { chat: '^2 || 2.0.0-rc.1' },
      { chat: '^2 || 2.0.0-rc.1' },
      ['2.0.0-rc.1'],
      {
        required: { name: 'chat', capabilities: ['request_response', 'broadcast'] },
        capabilities: ['broadcast'],
      },
      {
        reason: 'missing_capability',
        ranges: { frontend: '^2 || 2.0.0-rc.1', backend: '^2 || 2.0.0-rc.1' },
        sentence: 'Both take chat 2.0.0-rc.1, without request_response and broadcast.',
      },
      [
        {
          action: 'register',
          to: '2.0.0',
          sentence: 'Somebody would have to register chat 2.0.0, with request_response and broadcast.',
        },
      ],
    ],
  ]

  test.each(cases)('names what would help: %s', (_, ours, theirs, chat, options, detail, suggestions) => {
    const answer = between(ours, theirs, { chat, task: ['1.0.0'] }, options)
    expect(answer.unsupported_protocols).toContain('chat')
    expect(answer.details.chat).toEqual(detail as never)
    expect(answer.suggestions.filter(({ protocol }) => protocol === 'chat')).toEqual(
      suggestions.map((one) => ({ protocol: 'chat', ...one })),
    )
  })

  test('moves to the version that has the capability', () => {
    const having = (version: string, ...capabilities: string[]): RegisteredVersion => ({
      version,
      capabilities,
    })
    const { details, suggestions } = negotiate({
      parties: [
        { client_id: 'frontend', protocols: { chat: '*' } },
        { client_id: 'backend', protocols: { chat: '^1' } },
      ],
      registered: () => [having('1.0.0'), having('2.0.0', 'broadcast'), having('3.0.0')],
      adapted: () => undefined,
      required: [{ name: 'chat', capabilities: ['broadcast'] }],
    })
    expect(details.chat).toMatchObject({ reason: 'missing_capability' })
    expect(suggestions).toMatchObject([{ who: 'backend', action: 'upgrade', to: '2.0.0' }])
  })

  test('lists few versions of many', () => {
    const chat = Array.from({ length: 30 }, (_, minor) => `1.${minor}.0`)
    const { details } = between({ chat: '^1' }, { chat: '^1' }, { chat }, { required: { chat: '^2' } })
    expect(details.chat).toMatchObject({
      sentence: 'Both take chat 1.29.0, 1.28.0, 1.27.0, 1.26.0, 1.25.0 and 25 more, but ^2 is required.',
    })
  })
})

import { describe, expect, test } from 'bun:test'
import { BrokerError } from '../../../src/core/errors.ts'
import {
  fulfils,
  parseRequired,
  type RequiredProtocol,
} from '../../../src/core/protocol/negotiation/required.ts'

describe('required protocols', () => {
  test.each([
    [undefined, []],
    [null, []],
    [[], []],
    ['chat', [{ name: 'chat' }]],
    [
      ['chat', 'task'],
      [{ name: 'chat' }, { name: 'task' }],
    ],
    [
      { chat: '^1.2', task: '*' },
      [
        { name: 'chat', version: '^1.2' },
        { name: 'task', version: '*' },
      ],
    ],
    [
      [{ chat: '^1.2' }, 'task'],
      [{ name: 'chat', version: '^1.2' }, { name: 'task' }],
    ],
    [{ name: 'chat', version: '^1' }, [{ name: 'chat', version: '^1' }]],
    [
      { name: '^1', task: '^2' },
      [
        { name: 'name', version: '^1' },
        { name: 'task', version: '^2' },
      ],
    ],
    [
      [{ name: 'chat', version: '^1.2', capabilities: ['request_response', 'request_response'] }],
      [{ name: 'chat', version: '^1.2', capabilities: ['request_response'] }],
    ],
    [JSON.parse('[{"__proto__": "^1"}]'), [{ name: '__proto__', version: '^1' }]],
  ])('%j are read', (value, read) => {
    expect(parseRequired(value)).toEqual(read as RequiredProtocol[])
  })

  test.each([
    [7, '/required_protocols'],
    [[7], '/required_protocols/0'],
    [[['chat']], '/required_protocols/0'],
    [[{}], '/required_protocols/0'],
    [['chat', ''], '/required_protocols/1'],
    [[{ name: '' }], '/required_protocols/0/name'],
    [[{ name: 'a'.repeat(129) }], '/required_protocols/0/name'],
    [[{ name: 'chat', version: 'latest' }], '/required_protocols/0/version'],
    [[{ name: 'chat', version: 1 }], '/required_protocols/0/version'],
    [[{ name: 'chat', capabilities: 'broadcast' }], '/required_protocols/0/capabilities'],
    [[{ name: 'chat', capabilities: ['telepathy'] }], '/required_protocols/0/capabilities'],
    [[{ 'a/b~': 'latest' }], '/required_protocols/0/a~1b~0'],
    [['chat', { chat: '^1' }], '/required_protocols'],
    [Array.from({ length: 65 }, (_, at) => `chat_${at}`), '/required_protocols'],
  ])('%j are refused at %s', (value, field) => {
    let thrown: unknown
    try {
      parseRequired(value)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(BrokerError)
    expect((thrown as BrokerError).code).toBe('invalid_params')
    expect((thrown as BrokerError).detail.field).toBe(field)
  })

  test('are fulfilled by a version in the range with all the capabilities', () => {
    const one = { version: '1.4.0', capabilities: ['point_to_point', 'broadcast'] }
    expect(fulfils(one, undefined)).toBe(true)
    expect(fulfils(one, {})).toBe(true)
    expect(fulfils(one, { version: '^1.2', capabilities: ['broadcast'] })).toBe(true)
    expect(fulfils(one, { version: '^2' })).toBe(false)
    expect(fulfils(one, { capabilities: ['broadcast', 'streaming'] })).toBe(false)
  })
})

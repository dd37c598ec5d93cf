import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatCursor, parseCursor } from '../../src/core/cursor.ts'
import { BrokerError } from '../../src/core/errors.ts'
import { check } from './property.ts'

const epoch = fc.stringMatching(/^[a-z0-9]{1,32}$/)
const offset = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 10 ** 15 }))

describe('a cursor', () => {
  test('comes back as it went', () => {
    check(2000, fc.tuple(epoch, offset), ([epoch, offset]) => {
      expect(parseCursor(formatCursor(epoch, offset))).toEqual({ epoch, offset })
    })
  })

  test('any other text is refused by name, or reads as the very same cursor', () => {
    const near = fc.stringMatching(/^[a-zA-Z0-9 :.+-]{0,40}$/)
    check(4000, fc.oneof(fc.string(), near, fc.string({ unit: 'binary' })), (text) => {
      try {
        const { epoch, offset } = parseCursor(text, '/last_event_id')
        if (Number.isSafeInteger(offset)) expect(formatCursor(epoch, offset)).toBe(text)
      } catch (error) {
        expect(error).toBeInstanceOf(BrokerError)
        expect((error as BrokerError).code).toBe('invalid_params')
        expect((error as BrokerError).detail.field).toBe('/last_event_id')
        expect((error as BrokerError).message).toStartWith('last_event_id is not a cursor')
      }
    })
  })

  test.each([
    '',
    ':',
    'a',
    'a:',
    ':1',
    'a:01',
    'a:-1',
    'a:1.5',
    'a:1e3',
    'A:1',
    'a:1 ',
    ' a:1',
    'a:1\n',
    'a:b',
  ])('%j is none', (text) => {
    expect(() => parseCursor(text)).toThrow(BrokerError)
  })

  test('is bounded in length', () => {
    expect(() => parseCursor(`${'a'.repeat(33)}:1`)).toThrow(BrokerError)
    expect(() => parseCursor(`a:1${'0'.repeat(16)}`)).toThrow(BrokerError)
  })
})

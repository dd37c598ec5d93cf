import { expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { checkInput } from '../../src/broker/command.ts'
import { closed } from '../../src/broker/commands/schema.ts'
import { BrokerError } from '../../src/core/errors.ts'

test('an error repeats nothing of a secret: no value, nor what it holds, nor the names in it', () => {
  const schema = closed({
    keys: Type.Array(closed({ key: Type.Integer({ description: 'a number' }) }), { writeOnly: true }),
    by_name: Type.Optional(Type.Object({ key: Type.String({ writeOnly: true }) })),
  })
  const fault = (input: unknown) => {
    try {
      checkInput(schema, input)
    } catch (error) {
      if (error instanceof BrokerError) return { message: error.message, field: error.detail.field }
    }
  }
  expect(fault({ keys: [{ key: 's1234' }] })).toEqual({
    message: 'keys is a secret and not shown: expected integer. It is: a number.',
    field: '/keys',
  })
  expect(fault({ keys: [{ key: 1, s1234: 1 }] })).toEqual({
    message: 'keys is a secret and not shown: unexpected property.',
    field: '/keys',
  })
  expect(fault({ keys: [], by_name: { key: 1234 } })).toEqual({
    message: 'by_name.key is a secret and not shown: expected string.',
    field: '/by_name/key',
  })
  expect(fault({ keys: [], by_name: {} })).toMatchObject({ message: 'by_name.key is required.' })
  expect(fault({})).toMatchObject({ message: 'keys is required.' })
})

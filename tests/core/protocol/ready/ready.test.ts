import { describe, expect, test } from 'bun:test'
import { Compile } from 'typebox/schema'
import { fieldLines } from '../../../../src/core/protocol/card/fields.ts'
import { shapesOf } from '../../../../src/core/protocol/card/shapes.ts'
import { READY_PROTOCOLS } from '../../../../src/core/protocol/ready/index.ts'

test('there are three, at their first version', () => {
  expect(READY_PROTOCOLS.map(({ name, version }) => `${name} ${version}`)).toEqual([
    'chat 1.0.0',
    'task 1.0.0',
    'file_lease 1.0.0',
  ])
})

describe.each(READY_PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))(
  '%s',
  (name, protocol) => {
    const { schema, metadata } = protocol
    const compiled = Compile(schema as object)
    const examples = metadata.examples ?? []

    test.each(examples.map(({ name, payload }) => [name, payload]))('an example: %s', (_, payload) => {
      expect([...compiled.Errors(payload)[1]]).toEqual([])
      expect(compiled.Check(payload)).toBe(true)
    })

    test.each((metadata.examples_invalid ?? []).map((payload) => [payload]))('refused: %j', (payload) => {
      expect(compiled.Check(payload)).toBe(false)
    })

    test('each kind has an example of its name, and no example has a member too many', () => {
      for (const { kind } of shapesOf(schema).filter(({ kind }) => kind !== undefined)) {
        const example = examples.find(({ name }) => JSON.stringify(name) === kind?.value)
        expect(example?.payload).toMatchObject({ [kind!.member]: example!.name })
      }
      for (const { payload } of examples)
        expect(compiled.Check({ ...(payload as object), surprise: 1 })).toBe(false)
    })

    test('each shape is told apart by its kind, and each required member is required', () => {
      for (const { kind, fields } of shapesOf(schema)) {
        const { payload } = examples.find(({ name }) => !kind || JSON.stringify(name) === kind.value)!
        const required = fields.filter((field) => field.required && !/[.[]/.test(field.path))
        expect(required.length).toBeGreaterThan(0)
        for (const { path } of required) {
          const { [path]: _, ...rest } = payload as Record<string, unknown>
          expect([path, compiled.Check(rest)]).toEqual([path, false])
        }
      }
    })

    test('a reader learns all of it: summary, notes, and a word on each member', () => {
      const [summary = ''] = metadata.description!.split(/(?<=\.) /)
      expect(summary.length).toBeLessThan(140)
      expect(metadata.agent_notes).toBeDefined()
      for (const { fields } of shapesOf(schema))
        for (const { path, description } of fields)
          expect([path, description]).toEqual([path, expect.any(String)])
      expect(fieldLines(schema)).not.toContain('…')
    })

    test('it is plain JSON, well below the limit, and needs no pattern', () => {
      const json = JSON.stringify(protocol)
      expect(JSON.parse(json)).toEqual(protocol)
      expect(json.length).toBeLessThan(16_384)
      expect(json).not.toMatch(/"pattern/)
      expect(name).toMatch(/^[a-z][a-z0-9_]*[a-z0-9]$/)
    })
  },
)

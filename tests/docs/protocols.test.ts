import { describe, expect, test } from 'bun:test'
import { COMMANDS } from '../../src/broker/commands/index.ts'
import { ConfigSchema } from '../../src/config/schema.ts'
import { PROTOCOL_ERRORS } from '../../src/core/errors/protocols.ts'
import { ERRORS } from '../../src/core/errors.ts'
import { applyOperations } from '../../src/core/protocol/adapter/apply.ts'
import { checkAdapters } from '../../src/core/protocol/adapter/check.ts'
import type { Operation } from '../../src/core/protocol/adapter/operations.ts'
import { compareSchemas } from '../../src/core/protocol/evolution/compare.ts'
import type { JsonSchema } from '../../src/core/protocol/json-schema.ts'
import { admitSchema } from '../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../src/core/protocol/schema/checker.ts'
import { CHANGES } from './changes.ts'
import { isShown, Reader, stepsOf } from './tutorial.ts'

const read = (page: string) => Bun.file(new URL(`../../docs/${page}.md`, import.meta.url)).text()
const tutorial = await read('protocols')
const reference = await read('protocols-reference')

/** The cells of each row of the table below a heading, without its head. */
function tableUnder(heading: string): string[][] {
  const section = reference.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(1).map((row) =>
    row
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim()),
  )
}
const plain = (cell: string) => cell.replaceAll('`', '')

test('each command of the tutorial prints what the page shows', async () => {
  await using reader = new Reader()
  const differing: string[] = []
  for (const { line, commands, shown } of stepsOf(tutorial)) {
    let printed = ''
    for (const command of commands) printed += `${await reader.run(command)}\n`
    if (!isShown(shown ?? '', printed)) differing.push(`line ${line} prints\n${printed}`)
  }
  expect(differing).toEqual([])
})

test('the commands on the other pages are taken as they stand', async () => {
  await using reader = new Reader()
  await reader.run('mcp-broker serve')
  for (const page of ['../README', 'ready-protocols']) {
    const steps = stepsOf(await read(page)).filter(({ commands }) => commands[0]?.startsWith('mcp-broker '))
    expect(steps).not.toEqual([])
    for (const { commands, shown } of steps)
      for (const command of commands) {
        const printed = await reader.run(command)
        if (shown !== undefined) expect(printed).toStartWith(shown.trimEnd())
        else expect(printed).not.toContain('error: ')
      }
  }
})

describe('the tables', () => {
  const compare = (older: JsonSchema, newer: JsonSchema) => {
    const checkOf = (schema: JsonSchema) => compileSchema(admitSchema(schema)).check
    return compareSchemas(older, newer, { older: checkOf(older), newer: checkOf(newer) })
  }
  const REVERSE = { full: 'full', backward: 'forward', forward: 'backward', breaking: 'breaking' } as const

  test('changes have the relation that stands beside them, and their reverse the reverse', () => {
    const rows = CHANGES.map(({ what, older, newer }) => {
      const { relation, strict_relation: strict } = compare(older, newer)
      expect(compare(newer, older)).toMatchObject({
        relation: REVERSE[relation],
        strict_relation: REVERSE[strict],
      })
      return [what, `\`${relation}\`${strict === relation ? '' : ` (\`${strict}\`)`}`]
    })
    expect(tableUnder('What a change means')).toEqual(rows)
  })

  const operations = tableUnder('Operations of adapters').map((cells) =>
    cells.map((cell) => JSON.parse(plain(cell))),
  )
  test.each(operations)('%j', (operation: Operation, before: unknown, after: unknown) => {
    expect(() => checkAdapters([{ from: '1.x', up: [operation] }], '2.0.0', '')).not.toThrow()
    expect(applyOperations(before, [operation])).toEqual(after)
  })

  test('there is an example of each operation', () => {
    const names: Record<Operation['op'], true> = {
      add: true,
      remove: true,
      replace: true,
      move: true,
      copy: true,
      test: true,
      rename: true,
      default: true,
      map: true,
      split: true,
      join: true,
      wrap: true,
      unwrap: true,
    }
    expect(operations.map(([{ op }]) => op)).toEqual(Object.keys(names))
  })

  test('each error of protocols is there, and no other', () => {
    const codes = tableUnder('What to do about an error').map(([code]) => plain(code!))
    expect(codes.toSorted()).toEqual(Object.keys(PROTOCOL_ERRORS).toSorted())
  })

  test('the settings of bounds are settings', () => {
    const named = tableUnder('Bounds').flatMap((cells) => plain(cells[2] ?? '').match(/\w+/g) ?? [])
    expect(named.length).toBeGreaterThan(5)
    for (const name of named) expect(Object.keys(ConfigSchema.properties)).toContain(name)
  })
})

test('what looks like a command, a setting or an error exists', () => {
  /** Members of errors and definitions, and other names. */
  const others = [
    ...['errors_total', 'near_names', 'would_work', 'retry_after_ms', 'agent_notes'],
    ...['not_decidable', 'file_lease'],
  ]
  const known = new Set<string>([
    ...COMMANDS.flatMap(({ name, input, output }) => [
      name,
      ...Object.keys(input.properties),
      ...Object.keys(output.properties ?? {}),
    ]),
    ...Object.keys(ConfigSchema.properties),
    ...Object.keys(ERRORS),
    ...others,
  ])
  const named = [...`${tutorial}${reference}`.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, name]) => name!)
  const unknown = named.filter((name) => !known.has(name))
  expect([...new Set(unknown)]).toEqual([])
})

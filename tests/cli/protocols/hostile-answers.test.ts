import { describe, expect, test } from 'bun:test'
import { type } from '../harness.ts'
import { Definitions, note } from './files.ts'

/** Moves the cursor in three ways, and ends the line. */
const EVIL = '\u001b[31mX\u009b2J\u202e\rY'
const MOVES_CURSOR = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/u

const members = { [EVIL]: { type: EVIL, description: EVIL, enum: [EVIL] } }
const branches = ['a', 'b'].map((kind) => ({
  description: EVIL,
  properties: { kind: { const: EVIL + kind } },
}))

/** A card in which every text is evil, but for what it is asked by. */
const card = (version: string | null) => ({
  name: EVIL,
  version: version ?? EVIL,
  versions: EVIL,
  summary: EVIL,
  capabilities: [EVIL],
  relation: EVIL,
  tags: [EVIL],
  author: EVIL,
  description: EVIL,
  agent_notes: EVIL,
  documentation_url: EVIL,
  deprecated: { message: EVIL, successor: EVIL },
  schema: { description: EVIL, required: [EVIL], properties: members, oneOf: branches },
  examples: [{ name: EVIL, payload: EVIL }],
  adapters: [{ from: EVIL }],
})
const registration = { name: EVIL, version: EVIL, created: true, relation: EVIL, warnings: [EVIL] }
const left = { leased_or_delivered: EVIL, acknowledged: EVIL, failed: EVIL, no_room: EVIL, [EVIL]: EVIL }
const failures = [{ message_id: EVIL, reason: EVIL }]
const migration = { dry_run: true, rewritten: EVIL, left, failures }
const refusal = {
  code: 'payload_invalid',
  detail: EVIL,
  next: EVIL,
  path: EVIL,
  rule: EVIL,
  errors: [{ sentence: EVIL }, { sentence: EVIL }],
  reasons: [{ sentence: EVIL, witness: EVIL }],
  example: EVIL,
}

function answerTo({ url, method }: Request): object {
  const { pathname, searchParams } = new URL(url)
  if (method === 'GET') return { protocols: [card(searchParams.get('version_range'))] }
  return pathname.endsWith('/protocols') ? registration : migration
}

describe.each([true, false])('an answer does not move the cursor; in a terminal: %p', (interactive) => {
  test.each([
    'list',
    'show a@1.0.0',
    'types a@1.0.0',
    'diff a 1.0.0 2.0.0',
    'register FILE',
    'migrate a --to 1.0.0',
  ])('%s', async (line) => {
    using folder = new Definitions()
    const file = await folder.write('note.json', note('1.0.0', ['text!']))
    const words = line.split(' ').map((arg) => (arg === 'FILE' ? file : arg))
    for (const refused of [false, true]) {
      using server = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch: (request) =>
          refused ? Response.json(refusal, { status: 422 }) : Response.json(answerTo(request)),
      })
      const env = { MCP_BROKER_URL: server.url.href, NO_COLOR: '1' }
      const { out, err } = await type(['protocols', ...words], { env, interactive })
      expect(out + err).toContain('X')
      expect(out + err).not.toMatch(MOVES_CURSOR)
    }
  })
})

import { expect, test } from 'bun:test'
import { TOOLS } from '../../../src/broker/commands/index.ts'
import { plainCall } from '../../../src/transports/mcp/fast-lane.ts'
import { type Case, corpus, INPUTS } from './corpus.ts'
import { openLane, type Told } from './lanes.ts'

const CASES_MIN = 500
const PLAIN_MIN = 120

/** The answers to a batch may come in any order (JSON-RPC 2.0, section 6). */
function sorted(messages: readonly unknown[]): unknown[] {
  return messages.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** What may differ: the 2025 era lets a server choose between JSON and a stream for each answer. */
function comparable({ era, plain }: Case, { status, headers, messages }: Told): unknown {
  const { 'content-type': type, ...rest } = headers
  return {
    status,
    messages: sorted(messages),
    headers: era === '2025' && plain ? rest : { ...rest, 'content-type': type },
  }
}

test('both lanes answer every request of the corpus alike', async () => {
  let recognised = 0
  await using fast = await openLane((headers, body) => {
    const call = plainCall(headers, body)
    if (call) recognised++
    return call
  })
  await using sdk = await openLane(() => undefined)
  const cases = corpus()
  const differing: unknown[] = []
  const wrongLane: string[] = []
  for (const one of cases) {
    const before = recognised
    const [told, expected] = await Promise.all([fast.ask(one), sdk.ask(one)])
    if (recognised - before !== Number(one.plain)) wrongLane.push(one.what)
    const [ours, theirs] = [comparable(one, told), comparable(one, expected)]
    if (!Bun.deepEquals(ours, theirs, true)) differing.push({ what: one.what, ours, theirs })
  }
  expect(differing).toEqual([])
  expect(wrongLane).toEqual([])
  expect(cases.length).toBeGreaterThan(CASES_MIN)
  expect(recognised).toBeGreaterThan(PLAIN_MIN)
}, 60_000)

test('the corpus calls every tool', () => {
  expect(Object.keys(INPUTS).sort()).toEqual(TOOLS.map(({ name }) => name).sort())
})

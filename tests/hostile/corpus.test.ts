import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Case } from './case.ts'
import { CORPUS } from './corpus.ts'
import { Target } from './rig.ts'
import { ANSWER_MS_MAX, withstands } from './watched.ts'

let target: Target
beforeAll(async () => {
  target = await Target.start()
  await target.post('/v1/sessions', { client_id: 'sink' })
}, 30_000)
afterAll(() => target[Symbol.asyncDispose]())

test('there are enough cases', () => {
  expect(CORPUS.length).toBeGreaterThanOrEqual(60)
})

test.each(CORPUS.map((one, index) => [one.name, one, index] as const))(
  '%s',
  async (_, one, index) => {
    const answers = await withstands(target, (tries) => attack(one, `case_${index}t${tries}x`))
    const allowed = [one.answer, ...(one.sends ?? []).map(({ answer }) => answer)]
    for (const [at, { code }] of answers.entries()) expect([allowed[at]].flat()).toContain(code)
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(ANSWER_MS_MAX)
  },
  30_000,
)

/** Registers the definition, and sends the payloads by it if it was taken. */
async function attack(one: Case, name: string): Promise<{ code: string; ms: number }[]> {
  const { schema, schema_text = JSON.stringify(schema), more = {}, sends = [] } = one
  const definition = JSON.stringify({ name, version: '1.0.0', ...more })
  const registered = await target.post('/v1/protocols', `${definition.slice(0, -1)},"schema":${schema_text}}`)
  const found = [{ code: registered.code ?? 'created', ms: registered.ms }]
  if (registered.code) return found
  for (const { payload, payload_text = JSON.stringify(payload) } of sends) {
    const message = JSON.stringify({
      recipient_id: 'sink',
      sender_id: 'evil',
      protocol_name: name,
      protocol_version: '1.0.0',
    })
    const sent = await target.post('/v1/messages', `${message.slice(0, -1)},"payload":${payload_text}}`)
    found.push({ code: sent.code ?? 'sent', ms: sent.ms })
  }
  return found
}

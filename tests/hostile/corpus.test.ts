import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Case } from './case.ts'
import { CORPUS } from './corpus.ts'
import { Target } from './rig.ts'

const HELD_MS_MAX = 50
const ANSWER_MS_MAX = 5000
const GROWTH_BYTES_MAX = 150 * 1024 * 1024
const TRIES = 3

let target: Target
beforeAll(async () => {
  target = await Target.start()
  await target.post('/v1/sessions', { client_id: 'sink' })
}, 30_000)
afterAll(async () => {
  await target[Symbol.asyncDispose]()
})

test.each(CORPUS.map((one, index) => [one.name, one, index] as const))(
  '%s',
  async (_, one, index) => {
    for (let tries = 1; ; tries++) {
      const { seen, result } = await target.during(() => attack(one, `h${index}x${tries}x`))
      const growth = seen.rss_bytes - target.rss_bytes
      console.log(
        one.name,
        result,
        'held',
        seen.held_ms.toFixed(1),
        'gap',
        seen.gap_ms.toFixed(1),
        'MB',
        (growth / 1e6).toFixed(0),
      )
      const late = seen.held_ms > HELD_MS_MAX
      if (late && tries < TRIES) continue
      const allowed = [one.answer, ...(one.sends ?? []).map(({ answer }) => answer)]
      for (const [at, { code }] of result.entries()) expect([allowed[at]].flat()).toContain(code)
      expect(Math.max(...result.map(({ ms }) => ms))).toBeLessThan(ANSWER_MS_MAX)
      expect(seen.held_ms).toBeLessThan(HELD_MS_MAX)
      expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
      return
    }
  },
  30_000,
)

async function attack(one: Case, name: string) {
  const { schema, schema_text = JSON.stringify(schema), more = {}, sends = [] } = one
  const rest = JSON.stringify({ name, version: '1.0.0', ...more })
  const found = []
  const registered = await target.post('/v1/protocols', `${rest.slice(0, -1)},"schema":${schema_text}}`)
  found.push({
    code: registered.code ?? 'created',
    ms: registered.ms,
    detail: registered.code && registered.body.detail?.slice(0, 100),
  })
  if (registered.code) return found
  for (const { payload, payload_text = JSON.stringify(payload) } of sends) {
    const message = JSON.stringify({
      recipient_id: 'sink',
      sender_id: 'evil',
      protocol_name: name,
      protocol_version: '1.0.0',
    })
    const sent = await target.post('/v1/messages', `${message.slice(0, -1)},"payload":${payload_text}}`)
    found.push({
      code: sent.code ?? 'sent',
      ms: sent.ms,
      detail: sent.code && sent.body.detail?.slice(0, 100),
    })
  }
  return found
}

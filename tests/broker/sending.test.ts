import { expect, test } from 'bun:test'
import { here, startBroker } from '../harness.ts'
import { slowEngine } from '../slow-engine.ts'
import { call } from '../transports/http/client.ts'

test('a send that is wrong at once leaves no failure behind that nobody takes', async () => {
  const fails = (method: string) => (method === 'checkin' ? 'before' : undefined)
  await using app = await startBroker({}, (engine) => slowEngine(here(engine), { turns: () => 1, fails }))
  const to = { sender_id: 'sender', recipient_id: 'mcp-broker', message: 'hello' }
  // The test fails of itself with a rejection that is not handled.
  expect((await call(app.url, 'POST', '/v1/messages', to)).status).toBeGreaterThanOrEqual(400)
  for (let n = 0; n < 5; n++) await call(app.url, 'GET', '/health/live')
})

import { expect, test } from 'bun:test'
import { ProtocolVersion } from '../../../src/broker/protocols/family.ts'
import { Validation } from '../../../src/broker/protocols/sending/validation.ts'
import { ProtocolTally } from '../../../src/broker/protocols/tally.ts'
import { Turns } from '../../../src/broker/turns.ts'
import { ValidationWorker } from '../../../src/broker/validation/validation-worker.ts'
import { CHAT } from '../../../src/core/protocol/ready/chat.ts'

const FROM = { project: 'p', sender_id: 'a' }
const CHARS = 100

function validation() {
  const report = (error: unknown) => {
    throw error
  }
  const tally = new ProtocolTally()
  return {
    tally,
    checks: new Validation(new ValidationWorker({ now: Date.now, report }), tally, new Turns()),
  }
}

function chat(): ProtocolVersion {
  return new ProtocolVersion({ ...CHAT, registered_ms: 0 }, '', 0, 0)
}

test('each check in this thread is counted once, whether or not it was timed', async () => {
  const { tally, checks } = validation()
  const { inline, worker } = tally.validations
  const version = chat()
  for (let count = 1; count <= 50; count++) {
    const fits = count % 2 === 0
    // A promise where a cold compilation has filled the turn.
    const result = await checks.check(version, FROM, fits ? { text: 'Hello' } : { text: 7 }, CHARS)
    expect(result).toEqual(fits ? undefined : expect.objectContaining({ total: 1 }))
    expect(inline.count).toBe(count)
    expect(inline.buckets.reduce((sum, some) => sum + some)).toBe(count)
  }
  expect(inline.sum).toBeGreaterThan(0)
  expect(worker.count).toBe(0)
})

test('an untimed check counts as the one in this thread that was timed last', () => {
  const tally = new ProtocolTally()
  tally.validated('inline', 5)
  tally.validated('worker', 500)
  tally.validatedUntimed()
  const { inline, worker } = tally.validations
  expect(inline).toMatchObject({ count: 2, sum: 0.01, buckets: [0, 0, 0, 2, 0, 0, 0] })
  expect(worker).toMatchObject({ count: 1, sum: 0.5, buckets: [0, 0, 0, 0, 0, 0, 1] })
})

import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { SenderOrder } from '../../../src/broker/validation/order.ts'
import { asBrokerError } from '../../../src/core/errors.ts'
import { checkAsync } from '../../core/property.ts'

interface Call {
  readonly sender: string
  /** After how many turns it is over; 0 is at once. */
  readonly turns: number
  readonly fails: boolean
  /** How many turns pass before the next call comes. */
  readonly gap: number
}

const calls = fc.array(
  fc.record<Call>({
    sender: fc.constantFrom('a', 'b', 'c'),
    turns: fc.constantFrom(0, 0, 1, 2, 5),
    fails: fc.boolean(),
    gap: fc.constantFrom(0, 0, 0, 1, 3),
  }),
  { maxLength: 25 },
)

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

async function afterTurns(turns: number): Promise<void> {
  for (let n = 0; n < turns; n++) await turn()
}

/** Answers its number, or throws it: at once or later. */
function carryOut(n: number, { turns, fails }: Call): number | Promise<number> {
  const end = () => {
    if (fails) throw n
    return n
  }
  return turns === 0 ? end() : afterTurns(turns).then(end)
}

test('the calls of a sender neither overtake nor overlap each other, whatever comes of them', () =>
  checkAsync(200, calls, async (made) => {
    const order = new SenderOrder()
    const log = new Map<string, string[]>()
    const note = (sender: string, what: string) =>
      log.set(sender, [...(log.get(sender) ?? []), what]) as unknown as undefined
    const call = async (n: number, made: Call) => {
      try {
        const done = order.run('p', made.sender, () => {
          note(made.sender, `${n} begins`)
          return carryOut(n, made)
        })
        expect(done instanceof Promise ? await done : done).toBe(n)
        expect(made.fails).toBeFalse()
      } catch (thrown) {
        expect({ thrown, fails: made.fails }).toEqual({ thrown: n, fails: true })
      }
      note(made.sender, `${n} is answered`)
    }
    const running: Promise<void>[] = []
    for (const [n, one] of made.entries()) {
      running.push(call(n, one))
      await afterTurns(one.gap)
    }
    await Promise.all(running)
    for (const sender of ['a', 'b', 'c']) {
      const own = [...made.keys()].filter((n) => made[n]!.sender === sender)
      expect(log.get(sender) ?? []).toEqual(own.flatMap((n) => [`${n} begins`, `${n} is answered`]))
    }
    await turn()
    expect(order.busy).toBeFalse()
  }))

test('a sender waits for nobody else, and a call that does not wait leaves nothing behind', async () => {
  const order = new SenderOrder()
  expect(order.run('p', 'a', () => 1)).toBe(1)
  expect(order.busy).toBeFalse()
  const first = order.run('p', 'a', () => afterTurns(2))
  expect(order.busy).toBeTrue()
  expect(order.run('p', 'b', () => 2)).toBe(2)
  expect(order.run('q', 'a', () => 3)).toBe(3)
  const second = order.run('p', 'a', () => 4)
  expect(second).toBeInstanceOf(Promise)
  await first
  expect(await second).toBe(4)
  await turn()
  expect(order.busy).toBeFalse()
  expect(order.run('p', 'a', () => 5)).toBe(5)
})

test('so many calls of a sender may wait; the next one is refused, and the others are carried out', async () => {
  const order = new SenderOrder(2)
  const begun: number[] = []
  const call = (n: number) =>
    order.run('p', 'a', async () => {
      begun.push(n)
      await turn()
    })
  const running = [call(0), call(1), call(2)]
  const refusal = await Promise.try(() => call(3)).catch(asBrokerError)
  expect(refusal).toMatchObject({ code: 'validation_busy', detail: { retry_after_ms: expect.any(Number) } })
  await Promise.all(running)
  expect(begun).toEqual([0, 1, 2])
  await call(4)
  expect(begun).toEqual([0, 1, 2, 4])
})

import { expect, test } from 'bun:test'
import { BY_MEMBER, deepObjects, TREE, times, twoWays } from './build.ts'
import { type Answered, Target } from './rig.ts'
import { ANSWER_MS_MAX, withstands } from './watched.ts'

const RUNAWAYS = 50
const FLOOD_MS = 4000
const HONEST_MS_MAX = 2000
const HONEST_EVERY_MS = 200

const runaway = (n: number) => twoWays({ ...BY_MEMBER, title: `${n}` }, (a, b) => ({ anyOf: [a, b] }))
const task = {
  title: 'a',
  state: 'open',
  children: times(5, (n) => ({ title: `part ${n}`, children: [{ title: 'b', state: 'done' }] })),
}

async function begin(): Promise<Target> {
  const target = await Target.start()
  await target.post('/v1/sessions', { client_id: 'sink' })
  await register(target, 'tree', TREE)
  return target
}

async function register(target: Target, name: string, schema: unknown): Promise<void> {
  expect((await target.post('/v1/protocols', { name, version: '1.0.0', schema })).status).toBe(201)
}

function send(target: Target, sender_id: string, name: string, payload: string): Promise<Answered> {
  const rest = { recipient_id: 'sink', sender_id, protocol_name: name, protocol_version: '1.0.0' }
  return target.post('/v1/messages', `${JSON.stringify(rest).slice(0, -1)},"payload":${payload}}`)
}

/** Sends by `name` again and again, as soon as the last is answered. */
async function flood(target: Target, sender: string, name: string, payload: string, until_ms: number) {
  const answers: Answered[] = []
  while (performance.now() < until_ms) {
    const answer = await send(target, sender, name, payload)
    answers.push(answer)
    if (answer.code === 'validation_busy') await Bun.sleep(50 + Math.random() * 100)
  }
  return answers
}

async function honest(target: Target, until_ms: number): Promise<Answered[]> {
  const answers: Answered[] = []
  while (performance.now() < until_ms) {
    answers.push(await send(target, 'honest', 'tree', JSON.stringify(task)))
    await Bun.sleep(HONEST_EVERY_MS)
  }
  return answers
}

const runawayOf: Readonly<Record<string, (n: number) => string>> = {
  'one runaway protocol': () => 'runaway_0',
  'a runaway protocol each': (n) => `runaway_${n}`,
}

test.each(Object.keys(runawayOf))(
  'fifty senders with %s do not keep honest tasks waiting',
  async (how) => {
    await using target = await begin()
    const nameOf = runawayOf[how]!
    for (const name of new Set(times(RUNAWAYS, nameOf)))
      await register(target, name, runaway(Number(name.slice(8))))
    const [honestly, ...evil] = await withstands(target, () => {
      const until_ms = performance.now() + FLOOD_MS
      return Promise.all([
        honest(target, until_ms),
        ...times(RUNAWAYS, (n) => flood(target, `evil-${n}`, nameOf(n), deepObjects(60), until_ms)),
      ])
    })
    expect(honestly!.map(({ code }) => code)).toEqual(honestly!.map(() => undefined))
    expect(Math.max(...honestly!.map(({ ms }) => ms))).toBeLessThan(HONEST_MS_MAX)
    expect(Math.max(...evil.flat().map(({ ms }) => ms))).toBeLessThan(ANSWER_MS_MAX)
    const codes = new Set(evil.flat().map(({ code }) => code))
    expect(codes.isSubsetOf(new Set(['validation_timeout', 'validation_busy']))).toBeTrue()
  },
  60_000,
)

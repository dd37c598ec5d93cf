import { describe, expect, test } from 'bun:test'
import {
  ValidationWorker,
  type ValidationWorkerOptions,
} from '../../../src/broker/validation/validation-worker.ts'
import { asBrokerError, type BrokerError } from '../../../src/core/errors.ts'
import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'
import { memoryBytes, until } from '../../harness.ts'
import { FITS, FITS_NOT, nested, RUNAWAY, TREE } from './schemas.ts'

const MODULE = new URL('../../../src/broker/validation/validation-worker.ts', import.meta.url).pathname
const FAULTY = new URL('./faulty-worker.ts', import.meta.url).href
const DEADLINE_MS = 250
/** For starting a thread, and for a machine that does other things as well. */
const MARGIN_MS = 250
const MEGABYTE = 1_000_000

/** A validation worker with a clock that the test moves; `await using` stops it. */
function start(options: Partial<ValidationWorkerOptions> = {}) {
  const reported: string[] = []
  const clock = { now_ms: 1_000_000 }
  const worker = new ValidationWorker({
    now: () => clock.now_ms,
    report: (error) => void reported.push(String(error)),
    ...options,
  })
  return {
    worker,
    clock,
    reported,
    check: (key: string, schema: JsonSchema, payload: string, sender = 's', project = 'p') =>
      worker.check(project, sender, key, schema, payload),
    [Symbol.asyncDispose]: async () => {
      worker.stop()
      await threads(worker, 0)
    },
  }
}

function threads(worker: ValidationWorker, count: number): Promise<true> {
  return until(`${count} threads`, () => (worker.threads === count ? true : undefined))
}

/** The refusal of a call; undefined if it was not refused. */
function refusal(call: Promise<unknown>): Promise<BrokerError | undefined> {
  return call.then(() => undefined, asBrokerError)
}

const codeOf = async (call: Promise<unknown>) => (await refusal(call))?.code

async function msFor(call: () => Promise<unknown>): Promise<number> {
  const began_ms = performance.now()
  await call()
  return performance.now() - began_ms
}

describe('a check', () => {
  test('is true for a payload that fits, else says what is wrong', async () => {
    await using rig = start()
    expect(rig.worker.threads).toBe(0)
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
    expect(await rig.check('tree', TREE, FITS_NOT)).toMatchObject({
      errors: [{ path: '/children/0/title' }],
      total: 1,
    })
    expect(rig.worker.threads).toBe(1)
  })

  test('needs the schema again when the worker has forgotten it', async () => {
    await using rig = start()
    const keys = Array.from({ length: 300 }, (_, n) => `version ${n}`)
    for (const [n, key] of [...keys, ...keys].entries()) {
      const schema = { const: n % keys.length }
      expect(await rig.check(key, schema, String(n % keys.length))).toBeTrue()
    }
  })

  test('of an endless kind is refused in time, and the next one finds a fresh thread', async () => {
    await using rig = start()
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
    const ms = await msFor(async () =>
      expect(await codeOf(rig.check('runaway', RUNAWAY, nested(40)))).toBe('validation_timeout'),
    )
    expect(ms).toBeGreaterThan(DEADLINE_MS - 10)
    expect(ms).toBeLessThan(DEADLINE_MS + MARGIN_MS)
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
    expect(rig.reported).toEqual([])
  })

  test('that is done in time counts, although the broker was held up meanwhile', async () => {
    await using rig = start({ entry: FAULTY })
    await rig.check('warm', TREE, FITS)
    const call = rig.check('dawdles', TREE, FITS)
    // Both are due when this ends. Timers follow immediates, so the deadline is first.
    setImmediate(() => {
      for (const end_ms = performance.now() + 2 * DEADLINE_MS; performance.now() < end_ms; );
    })
    expect(await codeOf(call)).toBeUndefined()
  })

  test('of a version that was late three times in a minute is refused unrun for a minute', async () => {
    await using rig = start()
    const run = (payload: string) => refusal(rig.check('runaway', RUNAWAY, payload))
    for (let n = 0; n < 3; n++) {
      expect((await run(nested(40)))?.code).toBe('validation_timeout')
      rig.clock.now_ms += 10_000
    }
    const ms = await msFor(async () =>
      expect(await run('{}')).toMatchObject({
        code: 'validation_busy',
        detail: { retry_after_ms: 50_000 },
      }),
    )
    expect(ms).toBeLessThan(10)
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
    expect(await rig.worker.compile('p', 'runaway', RUNAWAY)).toMatchObject({ ms: expect.any(Number) })
    rig.clock.now_ms += 50_000
    expect(await codeOf(rig.check('runaway', RUNAWAY, nested(2)))).toBeUndefined()
  })
})

describe('compiling', () => {
  test('says how long it took, and keeps nothing under the key', async () => {
    await using rig = start()
    const { ms } = await rig.worker.compile('p', 'v', { const: 1 })
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThan(DEADLINE_MS)
    expect(await rig.check('v', { const: 2 }, '2')).toBeTrue()
  })

  test('refuses what the bounds refuse, with the members of the error', async () => {
    await using rig = start()
    expect(await refusal(rig.worker.compile('p', 'v', 7 as unknown as JsonSchema))).toMatchObject({
      code: 'schema_invalid',
      detail: { field: '/schema' },
    })
  })

  test('that takes too long is refused, and the third time its version', async () => {
    await using rig = start({ entry: FAULTY })
    const compile = () => refusal(rig.worker.compile('p', 'v', { $comment: 'loops' }))
    for (let n = 0; n < 3; n++)
      expect(await compile()).toMatchObject({
        code: 'validation_timeout',
        message: expect.stringContaining('Compiling'),
      })
    expect((await compile())?.code).toBe('validation_busy')
    expect(await rig.check('v', { const: 1 }, '1')).toBeTrue()
  })

  test('that takes too much memory is refused, and the memory is given back', async () => {
    await using rig = start({ entry: FAULTY })
    await rig.worker.compile('p', 'v', true)
    const before = memoryBytes()
    expect(await refusal(rig.worker.compile('p', 'v', { $comment: 'grows' }))).toMatchObject({
      code: 'schema_too_large',
      detail: { more: { bound: 'compile_bytes_max' } },
    })
    await threads(rig.worker, 0)
    await until('memory', () => (memoryBytes() - before < 100 * MEGABYTE ? true : undefined))
  })
})

describe('turns', () => {
  test('twenty endless checks in a row leave one thread, and memory where it was', async () => {
    await using rig = start()
    const run = async (n: number) => {
      expect(await codeOf(rig.check(`runaway ${n}`, RUNAWAY, nested(40)))).toBe('validation_timeout')
      expect(await rig.check('tree', TREE, FITS)).toBeTrue()
    }
    for (let n = 0; n < 4; n++) await run(n)
    const before = memoryBytes()
    for (let n = 4; n < 24; n++) await run(n)
    await threads(rig.worker, 1)
    expect(memoryBytes() - before).toBeLessThan(20 * MEGABYTE)
  }, 20_000)

  test('fifty senders of endless checks do not keep an honest one waiting for two seconds', async () => {
    await using rig = start()
    const hostile = Array.from({ length: 50 }, (_, n) =>
      codeOf(rig.check('runaway', RUNAWAY, nested(40), `hostile ${n}`)),
    )
    const honest = async (project: string) => {
      for (;;) {
        const refused = await refusal(rig.check('tree', TREE, FITS, 'honest', project))
        if (!refused) return
        expect(refused.code).toBe('validation_busy')
        await Bun.sleep(refused.detail.retry_after_ms!)
      }
    }
    const [elsewhere_ms, here_ms] = await Promise.all(
      ['q', 'p'].map((project) => msFor(() => honest(project))),
    )
    expect(elsewhere_ms).toBeLessThan(2 * DEADLINE_MS + MARGIN_MS)
    expect(here_ms).toBeLessThan(2000)
    const codes = Object.groupBy(await Promise.all(hostile), (code) => code!)
    expect(codes).toEqual({
      validation_timeout: Array(3).fill('validation_timeout'),
      validation_busy: Array(47).fill('validation_busy'),
    })
  })

  test('a sender that floods its project leaves room and a turn for another', async () => {
    await using rig = start()
    const flood = Array.from({ length: 60 }, (_, n) =>
      codeOf(rig.check(`runaway ${n}`, RUNAWAY, nested(40), 'flood')),
    )
    const ms = await msFor(async () => expect(await rig.check('tree', TREE, FITS, 'honest')).toBeTrue())
    expect(ms).toBeLessThan(2 * (DEADLINE_MS + MARGIN_MS))
    rig.worker.stop()
    const codes = Object.groupBy(await Promise.all(flood), (code) => code!)
    // The one that was running, and those that waited when the worker stopped.
    expect(codes.validation_busy?.length).toBe(28)
    expect((codes.validation_timeout?.length ?? 0) + (codes.shutting_down?.length ?? 0)).toBe(32)
  })

  test('what is surely quick comes before what may take any time, and is not blocked by it', async () => {
    await using rig = start()
    for (const [key, schema] of [
      ['runaway', RUNAWAY],
      ['other', RUNAWAY],
    ] as const)
      for (let n = 0; n < 3; n++) void refusal(rig.check(key, schema, nested(40), `hostile ${n}`))
    const began_ms = performance.now()
    expect(await rig.worker.check('p', 'honest', 'runaway', RUNAWAY, '1', true)).toMatchObject({ total: 1 })
    expect(performance.now() - began_ms).toBeLessThan(DEADLINE_MS + MARGIN_MS)
    await until('the block', async () =>
      (await codeOf(rig.check('runaway', RUNAWAY, '1'))) === 'validation_busy' ? true : undefined,
    )
    expect(await rig.worker.check('p', 'honest', 'runaway', RUNAWAY, '1', true)).toMatchObject({ total: 1 })
  })

  test('what was taken for quick and was not is held to be ordinary', async () => {
    await using rig = start()
    const check = (payload: string) => codeOf(rig.worker.check('p', 's', 'runaway', RUNAWAY, payload, true))
    const codes: unknown[] = []
    for (let n = 0; n < 5; n++) codes.push(await check(nested(40)))
    expect(codes).toEqual([...Array(4).fill('validation_timeout'), 'validation_busy'])
  })

  test('a sender that took too long of late lets others go first', async () => {
    await using rig = start()
    await refusal(rig.check('runaway', RUNAWAY, nested(40), 'hostile'))
    const order: string[] = []
    const run = (sender: string, schema: JsonSchema) =>
      refusal(rig.check(`of ${sender}`, schema, nested(40), sender)).then(() => order.push(sender))
    await Promise.all([run('first', RUNAWAY), run('hostile', TREE), run('honest', TREE)])
    expect(order).toEqual(['first', 'honest', 'hostile'])
  })

  test('a job whose turn does not come is refused in the end', async () => {
    await using rig = start({ waiting_ms_max: 50 })
    const first = codeOf(rig.check('runaway', RUNAWAY, nested(40), 'a'))
    const began_ms = performance.now()
    expect(await codeOf(rig.check('tree', TREE, FITS, 'b'))).toBe('validation_busy')
    expect(performance.now() - began_ms).toBeLessThan(DEADLINE_MS)
    expect(await first).toBe('validation_timeout')
    expect(await rig.check('tree', TREE, FITS, 'b')).toBeTrue()
  })
})

test('a check that is refused for want of room leaves nothing in memory', async () => {
  await using rig = start({ waiting_ms_max: 60_000 })
  const held = Array.from({ length: 33 }, () => codeOf(rig.check('runaway', RUNAWAY, nested(40))))
  const before = memoryBytes()
  for (let n = 0; n < 400; n++) {
    const payload = JSON.stringify(`${n}`.padStart(300_000, 'x'))
    expect(await codeOf(rig.check('runaway', RUNAWAY, payload))).toBe('validation_busy')
  }
  expect(memoryBytes() - before).toBeLessThan(60_000_000)
  rig.worker.stop()
  await Promise.all(held)
})

describe('threads', () => {
  test.each([
    ['throws', 'on fire'],
    ['exits', 'ended by itself'],
  ])('one that fails (%s) refuses its check, and is replaced', async (fault, told) => {
    await using rig = start({ entry: FAULTY })
    const calls = [codeOf(rig.check(fault, TREE, FITS)), codeOf(rig.check('tree', TREE, FITS))]
    expect(await Promise.all(calls)).toEqual(['internal', undefined])
    expect(rig.reported).toEqual([expect.stringContaining(told)])
    await threads(rig.worker, 1)
  })

  test('one that cannot be loaded refuses every check, and is told of', async () => {
    await using rig = start({ entry: new URL('./no-worker.ts', import.meta.url).href })
    const calls = [1, 2, 3].map(() => codeOf(rig.check('tree', TREE, FITS)))
    expect(await Promise.all(calls)).toEqual(['internal', 'internal', 'internal'])
    expect(rig.reported).toHaveLength(3)
  })

  test('two that do not end are all there are: checks are refused until one has closed', async () => {
    await using rig = start({ entry: FAULTY })
    const stuck = [1, 2].map((n) => codeOf(rig.check('sticks', TREE, FITS, `s${n}`)))
    const waiting = codeOf(rig.check('tree', TREE, FITS, 's3'))
    expect(await Promise.all([...stuck, waiting])).toEqual([
      'validation_timeout',
      'validation_timeout',
      'validation_busy',
    ])
    expect(rig.worker.threads).toBe(2)
    expect(rig.reported).toEqual(Array(2).fill(expect.stringContaining('did not end')))
    expect(await msFor(() => codeOf(rig.check('tree', TREE, FITS)))).toBeLessThan(20)
    expect(await codeOf(rig.check('tree', TREE, FITS))).toBe('validation_busy')
    await until('a thread has closed', () => (rig.worker.threads < 2 ? true : undefined))
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
  }, 10_000)

  test('one without work for a minute is ended, and started again at need', async () => {
    await using rig = start()
    rig.worker.rest()
    await rig.check('tree', TREE, FITS)
    rig.clock.now_ms += 59_999
    rig.worker.rest()
    expect(rig.worker.threads).toBe(1)
    const check = rig.check('runaway', RUNAWAY, nested(3))
    rig.clock.now_ms += 60_000
    rig.worker.rest()
    await check
    rig.worker.rest()
    expect(rig.worker.threads).toBe(1)
    rig.clock.now_ms += 60_000
    rig.worker.rest()
    await threads(rig.worker, 0)
    expect(await rig.check('tree', TREE, FITS)).toBeTrue()
  })

  test('stopping refuses what runs, what waits and what comes, and ends the thread', async () => {
    await using rig = start()
    const calls = [1, 2, 3].map((n) => codeOf(rig.check('runaway', RUNAWAY, nested(40), `s${n}`)))
    calls.push(codeOf(rig.worker.compile('p', 'v', true)))
    await Bun.sleep(50)
    rig.worker.stop()
    calls.push(codeOf(rig.check('tree', TREE, FITS)))
    expect(await msFor(() => Promise.all(calls))).toBeLessThan(100)
    expect(await Promise.all(calls)).toEqual(Array(5).fill('shutting_down'))
    await threads(rig.worker, 0)
    expect(rig.reported).toEqual([])
  })

  test('an idle one does not hold the process, a check in it does', async () => {
    const source = `
      import { ValidationWorker } from '${MODULE}'
      const worker = new ValidationWorker({ now: Date.now, report: console.error })
      worker.check('p', 's', 'v', true, '1').then(console.log)`
    const child = Bun.spawn([process.execPath, '-e', source], { stdout: 'pipe', stderr: 'pipe' })
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    expect({ out, err, code }).toEqual({ out: 'true\n', err: '', code: 0 })
  })
})

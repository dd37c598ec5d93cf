import { FITS, FITS_NOT, nested, RUNAWAY, TREE } from '../broker/validation/schemas.ts'

// Loaded late, as the broker is: what starts the worker lies in another chunk than main.
const { ValidationWorker } = await import('../../src/broker/validation/validation-worker.ts')

/** For validation.test.ts, which compiles it: says what the validation worker answers to three payloads. */
const worker = new ValidationWorker({ now: Date.now, report: console.error })
const check = (schema: typeof TREE, payload: string) =>
  worker.check('p', 's', payload, schema, payload).catch((refused) => refused.code)
console.log(
  JSON.stringify([
    await check(TREE, FITS),
    await check(TREE, FITS_NOT),
    await check(RUNAWAY, nested(40)),
    await check(TREE, FITS),
  ]),
)

import { expect, test } from 'bun:test'
import type { Disk } from '../../src/engine/journal/log/disk.ts'
import type { DiskFault } from './disk-storage.ts'
import { DiskWorld } from './disk-world.ts'

const RUNS = 500
const STEPS = 400

/** Mistakes that a journal could make, each with what shows it. */
const FAULTS: Readonly<Record<string, readonly [fault: DiskFault, shows: RegExp]>> = {
  'a receipt before its sync': [
    {
      engine: (engine) => {
        const flush = engine.flush.bind(engine)
        engine.flush = () => {
          const flushing = flush()
          if (flushing instanceof Promise) flushing.catch(() => undefined)
        }
      },
    },
    / is lost: | has never come: /,
  ],
  'a message that is given out and acknowledged before it is synced': [
    { disk: (disk) => syncsLater(disk) },
    / is lost: |a cursor names two messages|is damaged/,
  ],
  'offsets that are given twice after a power cut': [
    { newEpoch: () => 'always' },
    /a cursor names two messages|has the epoch of before/,
  ],
}

for (const [name, [fault, shows]] of Object.entries(FAULTS))
  test(`finds ${name}`, async () => {
    expect(await firstProblem(fault)).toMatch(shows)
  }, 60_000)

/** @returns what is wrong in the first world in which something is; undefined when there is none */
async function firstProblem(fault: DiskFault): Promise<string | undefined> {
  for (let seed = 1; seed <= RUNS; seed++) {
    try {
      await new DiskWorld(seed, fault).run(STEPS)
    } catch (error) {
      return String(error)
    }
  }
  return undefined
}

/** A disk that takes its syncs for done when they have begun. */
function syncsLater(disk: Disk): Disk {
  return new Proxy(disk, {
    get(target, name) {
      if (name === 'sync')
        return (file: string) => {
          target.sync(file).catch(() => undefined)
          return Promise.resolve()
        }
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

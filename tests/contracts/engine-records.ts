import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { recordsContract } from './records.ts'
import type { Change } from './records-rig.ts'
import type { MakeEngine } from './rig.ts'

/** What the records of every engine promise, told of by its events. */
export function engineRecordsContract(name: string, make: MakeEngine): void {
  recordsContract(name, async () => {
    const changed: Change[] = []
    const engine = await make({ limits: () => DEFAULT_LIMITS, now: () => 0 })
    await engine.start({
      wants_each: false,
      announced: () => undefined,
      acknowledged: () => undefined,
      died: () => undefined,
      session: () => undefined,
      record: (...change) => void changed.push(change),
      missed: () => undefined,
    })
    return { records: engine.records, changed, [Symbol.asyncDispose]: async () => engine.stop() }
  })
}

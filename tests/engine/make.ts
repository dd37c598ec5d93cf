import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { MakeEngine } from '../contracts/rig.ts'

let epochs = 0

export const makeMemoryEngine: MakeEngine = ({ limits, now }) =>
  new MemoryEngine({
    limits,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${(epochs++).toString(36)}`,
  })

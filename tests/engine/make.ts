import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { MakeEngine } from '../contracts/rig.ts'
import { planted } from '../faults/plant.ts'

let epochs = 0

export const makeMemoryEngine: MakeEngine = ({ limits, now }) =>
  planted(
    new MemoryEngine({
      limits,
      now,
      newId: () => crypto.randomUUID(),
      newEpoch: () => `e${(epochs++).toString(36)}`,
    }),
  )

import { engineContract } from '../contracts/engine.ts'
import { slowEngine } from '../slow-engine.ts'
import { makeMemoryEngine } from './make.ts'

/** No pattern in it: a number of turns that differs from one call to the next. */
let count = 0
const turns = () => [1, 3, 1, 2, 4, 1, 2][count++ % 7]!

engineContract('slow', async (options) =>
  slowEngine(await makeMemoryEngine(options), { turns, forgets: () => false }),
)

import type { Run } from '../../../../src/engine/redis/script.ts'
import type { Random } from '../../../simulation/random.ts'

/** Call number `at` of those that follow fails, before or after it is carried out. */
export function failing(run: Run, at: number, when: 'before' | 'after'): Run {
  let calls = 0
  return async (...call) => {
    const fails = ++calls === at
    if (fails && when === 'before') throw new Cut()
    const answer = await run(...call)
    if (fails) throw new Cut()
    return answer
  }
}

/** Runs scripts some turns of the event loop after they were asked for, and answers as late. */
export function delayed(run: Run, random: Random): Run {
  return async (...call) => {
    for (let turns = random.between(0, 4); turns > 0; turns--) await new Promise(setImmediate)
    const answer = await run(...call)
    for (let turns = random.between(0, 4); turns > 0; turns--) await new Promise(setImmediate)
    return answer
  }
}

/** The connection is gone: what was asked may have been done. */
export class Cut extends Error {}

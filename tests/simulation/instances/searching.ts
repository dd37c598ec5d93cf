import type { Cluster } from './cluster.ts'
import { RarePaths } from './rare-paths.ts'

export const STEPS = 100

/** What came of one seed. */
export interface Outcome {
  readonly seed: number
  /** The step, and what was wrong; undefined where all held. */
  readonly failure: string | undefined
  readonly trace: number
  readonly rare: RarePaths
}

/** Runs one seed, with a bug that is planted. */
export type RunSeed<B extends string> = (seed: number, bug?: B) => Promise<Outcome>

export async function outcomeOf(seed: number, cluster: Cluster): Promise<Outcome> {
  await cluster.run(STEPS).catch(cluster.failed)
  const { failure, schedule, rare } = cluster
  return { seed, failure, trace: schedule.trace, rare }
}

/** Runs seeds one after the other until one fails. */
export async function search<B extends string>(
  runSeed: RunSeed<B>,
  seeds: Iterable<number>,
  bug?: B,
): Promise<{ readonly fell: Outcome | undefined; readonly rare: RarePaths }> {
  const rare = new RarePaths()
  for (const seed of seeds) {
    const outcome = await runSeed(seed, bug)
    if (outcome.failure !== undefined) return { fell: outcome, rare }
    rare.add(outcome.rare)
  }
  return { fell: undefined, rare }
}

export function* seedsFrom(first: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield first + i
}

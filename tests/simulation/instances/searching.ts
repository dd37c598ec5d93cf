import { Cluster } from './cluster.ts'
import type { Bug } from './faults.ts'
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

export async function runSeed(seed: number, bug?: Bug): Promise<Outcome> {
  const cluster = new Cluster(seed, bug)
  await cluster.run(STEPS).catch(cluster.failed)
  const { failure, schedule, rare } = cluster
  return { seed, failure, trace: schedule.trace, rare }
}

/** Runs seeds one after the other until one fails. */
export async function search(
  seeds: Iterable<number>,
  bug?: Bug,
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

import { cpus, release, totalmem } from 'node:os'
import type { Result } from '../scenario.ts'

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory_gb: number
  readonly kernel: string
  readonly bun: string
  readonly commit: string
}

/** A run, as it is written as JSON. */
export interface Report {
  readonly began_at: string
  readonly seconds: number
  readonly short: boolean
  readonly soak_minutes: number
  /** Those that were asked for. */
  readonly scenarios: readonly string[]
  readonly machine: Machine
  /** Of those that have run. */
  readonly results: readonly Result[]
  /** What is wrong, a sentence each; none: all budgets are met, and nothing was lost. */
  readonly wrong: readonly string[]
}

export async function thisMachine(): Promise<Machine> {
  const git = await Bun.$`git describe --always --dirty`
    .cwd(import.meta.dir)
    .quiet()
    .nothrow()
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gb: Math.round(totalmem() / 1e9),
    kernel: release(),
    bun: Bun.version,
    commit: git.stdout.toString().trim() || 'unknown',
  }
}

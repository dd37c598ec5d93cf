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

/** A whole run, as it is written to `latest.json`. */
export interface Report {
  readonly began_at: string
  readonly seconds: number
  readonly short: boolean
  readonly machine: Machine
  readonly results: readonly Result[]
}

export async function thisMachine(): Promise<Machine> {
  const git = await Bun.$`git describe --always --dirty`.quiet().nothrow()
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

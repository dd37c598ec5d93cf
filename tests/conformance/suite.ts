import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The official suite, as often as there are revisions to conform to; each run with its package and its arguments. */
export const RUNS: Readonly<Record<string, readonly string[]>> = {
  'conformance-2025': ['node_modules/conformance-2025/dist/index.js'],
  'conformance-2026 for 2025-11-25': [
    'node_modules/conformance-2026/dist/index.js',
    '--requirements',
    '2025-11-25',
  ],
  'conformance-2026 for 2026-07-28': [
    'node_modules/conformance-2026/dist/index.js',
    '--requirements',
    '2026-07-28',
  ],
}

export interface Outcome {
  /** Scenarios that ran. */
  readonly scenarios: string[]
  /** `scenario/check` of each check that failed, sorted. */
  readonly failures: string[]
}

/** Runs the suite against a broker. @param url of its MCP endpoint */
export async function runSuite([script, ...more]: readonly string[], url: string): Promise<Outcome> {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'))
  try {
    const suite = Bun.spawn([process.execPath, script!, 'server', '--url', url, ...more, '-o', directory], {
      stdout: 'ignore',
      stderr: 'ignore',
    })
    // Its exit code says that something failed, which the expected failures do.
    await suite.exited
    return await readOutcome(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function readOutcome(directory: string): Promise<Outcome> {
  const scenarios: string[] = []
  const failures: string[] = []
  for (const entry of await readdir(directory)) {
    const scenario = /^server-(.+?)-\d{4}-\d{2}-\d{2}T/.exec(entry)?.[1]
    if (scenario === undefined) continue
    scenarios.push(scenario)
    const checks: { id: string; status: string }[] = await Bun.file(
      join(directory, entry, 'checks.json'),
    ).json()
    for (const { id, status } of checks) if (status === 'FAILURE') failures.push(`${scenario}/${id}`)
  }
  return { scenarios, failures: [...new Set(failures)].sort() }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Mount } from './mounts.ts'
import { SCENARIOS } from './scenarios.ts'

/**
 * Runs the broker on real file systems that are full, read-only or broken: `bun run durability:disk`. Needs
 * root on Linux, and ends with 1 without. The work is done in namespaces of its own for mounts and processes:
 * when its program ends, however that is, the kernel ends the brokers and takes the mounts and loop devices
 * along.
 */
if (process.argv[2] === 'inside') process.exit(await run(process.argv[3]!))
else process.exit(await runInside())

async function runInside(): Promise<number> {
  if (process.platform !== 'linux' || process.getuid!() !== 0) {
    console.log('This mounts file systems, so it needs root on Linux: run it as root, or with sudo.')
    return 1
  }
  const root = mkdtempSync(join(tmpdir(), 'mcp-broker-disk-'))
  const apart = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc']
  const child = Bun.spawn(['unshare', ...apart, process.execPath, import.meta.path, 'inside', root], {
    // Its end tells that this program has ended.
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => child.kill('SIGKILL'))
  try {
    return await child.exited
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function run(root: string): Promise<number> {
  void Bun.stdin.text().then(() => {
    Mount.removeAll()
    rmSync(root, { recursive: true, force: true })
    process.exit(1)
  })
  let failed = 0
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const began_ms = performance.now()
    try {
      await scenario(mkdtempSync(join(root, 's-')))
      console.log(`ok      ${name} (${((performance.now() - began_ms) / 1000).toFixed(1)} s)`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}:`, error)
    }
  }
  console.log(`${Object.keys(SCENARIOS).length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

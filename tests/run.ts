import { existsSync, readFileSync, rmSync } from 'node:fs'
import { findChromium } from './chromium.ts'
import { findProgram } from './programs.ts'

/**
 * Runs every suite and says what came of it: `bun run test`. Needs Chromium for the browser test and a Redis
 * server, which it finds or installs. Ends with `N passed, N failed` over the suites; exits non-zero when
 * anything failed or too little of `src` was covered.
 */
const COVERAGE_MIN = 0.9
const COVERAGE_DIR = 'coverage'
const FAILURE_LINES = 30

interface Suite {
  readonly name: string
  readonly paths: readonly string[]
  readonly ignore: readonly string[]
  readonly coverage?: true
  /** Set besides what this process has. */
  readonly env?: Readonly<Record<string, string>>
}

const suites: readonly Suite[] = [
  {
    name: 'everything through the real doors',
    paths: ['tests'],
    ignore: ['**/binary/**', '**/architecture.test.ts'],
    coverage: true,
  },
  {
    name: 'the doors, with an engine that is elsewhere',
    paths: ['tests/transports', 'tests/integration', 'tests/broker'],
    // These take long and hardly ask the engine, or have an engine of their own.
    ignore: [
      '**/long-wait.test.ts',
      '**/at-rest.test.ts',
      '**/collection.test.ts',
      '**/schemas.test.ts',
      '**/end-of-turn*.test.ts',
      '**/validation/**',
    ],
    env: { MCP_BROKER_TEST_ENGINE: 'slow' },
  },
  { name: 'architecture', paths: ['tests/architecture.test.ts'], ignore: [] },
  { name: 'compiled binary', paths: ['tests/binary'], ignore: [] },
]

const chromium = findChromium()
findProgram(['redis-server'], 'redis-server', 'the tests of Redis')
rmSync(COVERAGE_DIR, { recursive: true, force: true })

let passed = 0
let failed = 0
/** What each failed test has printed last, shown once more at the end. */
const failures: string[] = []
for (const { name, paths, ignore, coverage, env } of suites) {
  console.log(`\n== ${name}`)
  const args = ['test', ...paths, '--timeout', '20000']
  for (const pattern of ignore) args.push('--path-ignore-patterns', pattern)
  if (coverage) args.push('--coverage', '--coverage-reporter=lcov', `--coverage-dir=${COVERAGE_DIR}`)
  const run = Bun.spawn([process.execPath, ...args], {
    env: { ...process.env, ...(chromium ? { CHROMIUM: chromium } : {}), ...env },
    stdout: 'inherit',
    stderr: 'pipe',
  })
  let output = ''
  const decoder = new TextDecoder()
  for await (const chunk of run.stderr) {
    process.stderr.write(chunk)
    output += decoder.decode(chunk, { stream: true })
  }
  const code = await run.exited
  const suite_passed = lastCount(output, 'pass')
  const suite_failed = lastCount(output, 'fail')
  passed += suite_passed
  failed += suite_failed
  failures.push(...failuresIn(output))
  // A suite that ends badly without a failed test has crashed, or found no test.
  if (suite_passed === 0 || (code !== 0 && suite_failed === 0)) {
    console.log(`The suite "${name}" ended with exit code ${code} after ${suite_passed} tests.`)
    failed++
  }
}

if (reportCoverage(`${COVERAGE_DIR}/lcov.info`) >= COVERAGE_MIN) passed++
else {
  console.log(`Less than ${COVERAGE_MIN * 100} % of the lines of src are covered.`)
  failed++
}
for (const failure of failures) console.log(`\n== failed\n${failure}`)
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** The name of each failed test in bun's output, after the lines before it, which say why. */
function failuresIn(output: string): string[] {
  const lines = output.split('\n')
  const found: string[] = []
  for (const [i, line] of lines.entries()) {
    // From here on Bun names the failed tests again, without their causes.
    if (/^\d+ tests? failed:$/.test(line)) break
    if (line.startsWith('(fail) ')) found.push(lines.slice(Math.max(0, i - FAILURE_LINES), i + 1).join('\n'))
  }
  return found
}

/** The number in the last line of bun's summary such as ` 12 pass`. */
function lastCount(output: string, word: 'pass' | 'fail'): number {
  const counts = [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}$`, 'gm'))]
  return Number(counts.at(-1)?.[1] ?? 0)
}

/** Prints line coverage by file; a file of src that no test has loaded counts as not covered at all. */
function reportCoverage(path: string): number {
  const lines_of = new Map<string, { found: number; hit: number }>()
  for (const record of existsSync(path) ? readFileSync(path, 'utf8').split('end_of_record') : []) {
    const file = /^SF:(.*)$/m.exec(record)?.[1]
    const found = Number(/^LF:(\d+)$/m.exec(record)?.[1] ?? 0)
    const hit = Number(/^LH:(\d+)$/m.exec(record)?.[1] ?? 0)
    if (file?.startsWith('src/')) lines_of.set(file, { found, hit })
  }
  for (const file of new Bun.Glob('src/**/*.ts').scanSync())
    if (!lines_of.has(file) && hasCode(file))
      lines_of.set(file, { found: readFileSync(file, 'utf8').split('\n').length, hit: 0 })
  let found = 0
  let hit = 0
  console.log('\n== line coverage of src')
  for (const [file, lines] of [...lines_of].sort(([a], [b]) => (a < b ? -1 : 1))) {
    found += lines.found
    hit += lines.hit
    console.log(`${percent(lines)}  ${file}`)
  }
  console.log(`${percent({ found, hit })}  all of src (${hit} of ${found} lines)`)
  return found === 0 ? 0 : hit / found
}

/** Files of types alone leave nothing to run. */
function hasCode(file: string): boolean {
  return new Bun.Transpiler({ loader: 'ts' }).transformSync(readFileSync(file, 'utf8')).trim() !== ''
}

function percent({ found, hit }: { found: number; hit: number }): string {
  return `${(found === 0 ? 100 : (hit / found) * 100).toFixed(1).padStart(5)} %`
}

import { Instances } from '../instances.ts'
import { NOT_AVAILABLE, startKeeping } from '../keeping.ts'
import { LogSize } from '../log-size.ts'
import { Mix } from '../mix.ts'
import { Ledger, openLoop } from '../open-loop.ts'
import type { Budget, Scenario } from '../scenario.ts'
import { Server } from '../server.ts'
import { fitLine, mean, type Point } from '../stats.ts'
import { Window } from '../window.ts'

const RATE = 1000
/** Mailboxes keep 1,024 messages of history, which takes 51 s to fill: growth before that is no leak. */
const FILL_SECONDS = 60
const SAMPLE_SECONDS = 5
/** On Redis. */
const INSTANCES = 2
/** Growth beyond the noise of the samples: of the mean, and in milliseconds. */
const MEMORY_GROWTH_MAX = 0.05
const P99_GROWTH_MS_MAX = 1
/** So many standard errors of the fitted growth are noise. */
const ERRORS = 3

export const soak: Scenario = {
  name: 'soak',
  summary:
    'the mix of sessions at 1,000 messages/s for 10 minutes if not told otherwise: memory and p99 stay flat',
  in_short: false,
  async run(run) {
    const { soak_keeping: keeping = 'memory' } = run
    await using carrier = await (keeping === 'redis' ? Instances.start(INSTANCES) : startKeeping(keeping))
    if (!carrier) throw new Error(NOT_AVAILABLE)
    using log = carrier instanceof Server && keeping !== 'memory' ? LogSize.watch(carrier) : undefined
    const seconds = run.soak_minutes * 60
    const total = Math.round(RATE * seconds)
    const ledger = new Ledger(total)
    using mix = await Mix.open(carrier instanceof Server ? [carrier.url] : carrier.urls, ledger.arrive)
    const memory: Point[] = []
    const every = RATE * SAMPLE_SECONDS
    const window = new Window(carrier, ledger)
    window.begin()
    await openLoop({ interval_ms: 1000 / RATE, total }, (n, intended_ms) => {
      mix.send(n, intended_ms)
      if (n === 0 || n % every !== 0) return
      const at = n / RATE
      memory.push([at, carrier.memoryBytes() / 1e6])
      if (at % 30 !== 0) return
      const { p99 } = ledger.latency(n - every, n)
      run.say(`${at} of ${seconds} s: ${memory.at(-1)![1].toFixed(0)} MB, p99 ${p99.toFixed(1)} ms`)
    })
    memory.push([seconds, carrier.memoryBytes() / 1e6])
    await ledger.settle()
    // Only now: what is late belongs to the time that it was sent in.
    const p99 = memory.map(([at]): Point => [at, ledger.latency(at * RATE - every, at * RATE).p99])
    const filled = ([at]: Point) => at >= FILL_SECONDS
    return {
      rows: [
        {
          what: `${run.soak_minutes} minutes${keeping === 'memory' ? '' : `, ${keeping}`}`,
          ...window.end(),
          latency: ledger.latency(),
          lost: ledger.lost,
          twice: ledger.twice,
          budgets: [
            memoryBudget(memory.filter(filled)),
            p99Budget(p99.filter(filled)),
            ...(log ? [await log.budget()] : []),
          ],
        },
      ],
      series: [
        { title: 'Memory', unit: 'MB', points: memory.filter(filled) },
        { title: 'p99 of 5 s', unit: 'ms', points: p99.filter(filled) },
      ],
    }
  },
}

/** @param points seconds and megabytes */
export function memoryBudget(points: readonly Point[]): Budget {
  const { growth, noise } = growthOf(points)
  const level = mean(points.map(([, y]) => y))
  return {
    what: 'memory growth',
    bound: 'at most',
    limit: (MEMORY_GROWTH_MAX + noise / level) * 100,
    value: (growth / level) * 100,
    unit: '%',
  }
}

/** @param points seconds and milliseconds */
export function p99Budget(points: readonly Point[]): Budget {
  const { growth, noise } = growthOf(points)
  return { what: 'p99 growth', bound: 'at most', limit: P99_GROWTH_MS_MAX + noise, value: growth, unit: 'ms' }
}

/** What the fitted line rises by over the points, and how much of that may be their noise; NaN of fewer than three. */
function growthOf(points: readonly Point[]): { growth: number; noise: number } {
  const { slope, slope_error } = fitLine(points)
  const seconds = (points.at(-1)?.[0] ?? Number.NaN) - (points[0]?.[0] ?? Number.NaN)
  return { growth: slope * seconds, noise: ERRORS * slope_error * seconds }
}

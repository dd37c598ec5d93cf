import { Mix } from '../mix.ts'
import { Ledger, openLoop } from '../open-loop.ts'
import { startBroker } from '../peers/broker.ts'
import type { Budget, Scenario } from '../scenario.ts'
import { fitLine, mean, type Point } from '../stats.ts'

const RATE = 1000
/** Mailboxes keep 1,024 messages of history, which takes 51 s to fill: growth before that is no leak. */
const FILL_SECONDS = 60
const SAMPLE_SECONDS = 5
/** What has arrived by then is what a sample of the latency is taken of. */
const SAMPLE_LAG_SECONDS = 1
/** Growth beyond the noise of the samples: of the mean, and in milliseconds. */
const MEMORY_GROWTH_MAX = 0.05
const P99_GROWTH_MS_MAX = 1

export const soak: Scenario = {
  name: 'soak',
  summary:
    'the mix of sessions at 1,000 messages/s for 10 minutes if not told otherwise: memory and p99 stay flat',
  in_short: false,
  async run(run) {
    await using server = await startBroker()
    const seconds = run.soak_minutes * 60
    const fill_seconds = Math.min(FILL_SECONDS, seconds / 3)
    const total = Math.round(RATE * seconds)
    const ledger = new Ledger(total)
    using mix = await Mix.open(server.url, ledger.arrive)
    const memory: Point[] = []
    const p99: Point[] = []
    const every = RATE * SAMPLE_SECONDS
    const lag = RATE * SAMPLE_LAG_SECONDS
    const cpu_before = server.cpuMicroseconds()
    await openLoop({ interval_ms: 1000 / RATE, total }, (n, intended_ms) => {
      mix.send(n, intended_ms)
      if (n % every !== 0 || n < every + lag) return
      const at = n / RATE
      const { p99: p99_ms } = ledger.latency(n - every - lag, n - lag)
      memory.push([at, server.memoryBytes() / 1e6])
      p99.push([at, p99_ms])
      if (at % 30 === 0)
        run.say(`${at} of ${seconds} s: ${memory.at(-1)![1].toFixed(0)} MB, p99 ${p99_ms.toFixed(1)} ms`)
    })
    const cpu_us = (server.cpuMicroseconds() - cpu_before) / total
    await ledger.settle()
    const filled = ([at]: Point) => at >= fill_seconds
    return {
      rows: [
        {
          what: `${run.soak_minutes} minutes`,
          rate: RATE,
          latency: ledger.latency(),
          cpu_us,
          memory_bytes: server.memoryBytes(),
          lost: ledger.lost,
          twice: ledger.twice,
          budgets: [memoryBudget(memory.filter(filled)), p99Budget(p99.filter(filled))],
        },
      ],
      series: [
        { title: 'Memory', unit: 'MB', points: memory.filter(filled) },
        { title: 'p99 of 5 s', unit: 'ms', points: p99.filter(filled) },
      ],
    }
  },
}

function memoryBudget(points: readonly Point[]): Budget {
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

function p99Budget(points: readonly Point[]): Budget {
  const { growth, noise } = growthOf(points)
  return { what: 'p99 growth', bound: 'at most', limit: P99_GROWTH_MS_MAX + noise, value: growth, unit: 'ms' }
}

/** What the fitted line rises by over the points, and what they scatter around it. */
function growthOf(points: readonly Point[]): { growth: number; noise: number } {
  const { slope, scatter } = fitLine(points)
  const [first, last] = [points[0]![0], points.at(-1)![0]]
  return { growth: slope * (last - first), noise: scatter }
}

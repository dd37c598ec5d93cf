/** What one scenario measured. */
export interface Result {
  readonly scenario: string
  /** Messages delivered, or calls answered, per second. */
  readonly rate: number
  /** From the intended send time, in milliseconds. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
  /** CPU time of the broker per message or call, user and system, in microseconds. */
  readonly cpu_us: number
  /** Resident memory of the broker at the end, in bytes. */
  readonly memory_bytes: number
  readonly lost: number
  readonly twice: number
  /** Sentences that say which budget was missed; none: the scenario passed. */
  readonly missed: readonly string[]
  /** The budget in words. */
  readonly budget: string
}

/** The value below which this share of the sorted values lies. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted.length === 0
    ? Number.NaN
    : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

const COLUMNS = [
  'scenario',
  'rate/s',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'max ms',
  'CPU µs',
  'MB',
  'lost',
  'twice',
  'budget',
  'verdict',
]

/** The results as one table, columns aligned. */
export function table(results: readonly Result[]): string {
  const rows = results.map(
    ({ scenario, rate, latency, cpu_us, memory_bytes, lost, twice, budget, missed }) => [
      scenario,
      Math.round(rate).toString(),
      ...[latency.p50, latency.p95, latency.p99, latency.max].map((ms) => ms.toFixed(1)),
      cpu_us.toFixed(1),
      (memory_bytes / 1e6).toFixed(0),
      lost.toString(),
      twice.toString(),
      budget,
      missed.length === 0 ? 'ok' : 'MISSED',
    ],
  )
  const all = [COLUMNS, ...rows]
  const widths = COLUMNS.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

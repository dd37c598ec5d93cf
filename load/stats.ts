/** Milliseconds from the intended send time. */
export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export type Point = readonly [x: number, y: number]

/** The smallest value that at least this share of the values do not exceed; NaN of none. @param sorted ascending */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** @param values in any order; NaN stands for what never came and is left out */
export function latencyOf(values: Float64Array): Latency {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  return {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  }
}

/** A straight line through points. */
export interface Line {
  /** Change of y per unit of x. */
  readonly slope: number
  readonly intercept: number
  /** Standard error of the slope: how far off it may be by chance. NaN of fewer than three points. */
  readonly slope_error: number
}

/** The line of least squares through points; level where their x does not differ. */
export function fitLine(points: readonly Point[]): Line {
  const mean_x = mean(points.map(([x]) => x))
  const mean_y = mean(points.map(([, y]) => y))
  let xx = 0
  let xy = 0
  for (const [x, y] of points) {
    xx += (x - mean_x) ** 2
    xy += (x - mean_x) * (y - mean_y)
  }
  const slope = xx === 0 ? 0 : xy / xx
  const intercept = mean_y - slope * mean_x
  const squares = points.reduce((sum, [x, y]) => sum + (y - intercept - slope * x) ** 2, 0)
  const slope_error = points.length < 3 ? Number.NaN : Math.sqrt(squares / (points.length - 2) / xx)
  return { slope, intercept, slope_error }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

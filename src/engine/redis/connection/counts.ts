import { Histogram } from '../../../core/histogram.ts'

/** What has happened to calls since the start. */
export class CallCounts {
  /** Tries that may have run, and were made again or given up. */
  unknown_outcomes = 0
  /** Pipelines that fewer replicas than wanted had stored in time. */
  wait_unmet = 0
  /** From a call until it was answered, tries again included; in seconds. */
  readonly calls = new Histogram([
    ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025],
    ...[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  ])
}

import fc from 'fast-check'

/**
 * Runs a property a given number of times. The seed is random unless `MCP_BROKER_TEST_SEED` fixes it, and
 * `MCP_BROKER_TEST_RUNS` multiplies the runs; a failure prints seed, path and the smallest counterexample.
 */
export function check<T>(runs: number, arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  const seed = Number(process.env.MCP_BROKER_TEST_SEED)
  const times = Number(process.env.MCP_BROKER_TEST_RUNS ?? 1)
  fc.assert(fc.property(arbitrary, holds), {
    numRuns: runs * times,
    includeErrorInReport: true,
    ...(Number.isInteger(seed) && process.env.MCP_BROKER_TEST_SEED ? { seed } : {}),
  })
}

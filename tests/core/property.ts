import fc from 'fast-check'

/** Runs a property a given number of times; see {@link settings}. */
export function check<T>(runs: number, arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, holds), settings(runs))
}

/** The same for a property that has to wait. */
export function checkAsync<T>(
  runs: number,
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>,
): Promise<void> {
  return fc.assert(fc.asyncProperty(arbitrary, holds), settings(runs))
}

/**
 * The seed is random unless `MCP_BROKER_TEST_SEED` fixes it, and `MCP_BROKER_TEST_RUNS` multiplies the runs;
 * a failure prints seed, path and the smallest counterexample.
 */
function settings(runs: number) {
  const seed = Number(process.env.MCP_BROKER_TEST_SEED)
  const times = Number(process.env.MCP_BROKER_TEST_RUNS ?? 1)
  return {
    numRuns: runs * times,
    includeErrorInReport: true,
    ...(Number.isInteger(seed) && process.env.MCP_BROKER_TEST_SEED ? { seed } : {}),
  }
}

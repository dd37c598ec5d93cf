import { expect } from 'bun:test'
import { Traffic } from '../durability/traffic.ts'
import { Fleet } from './fleet.ts'

/** Enough to see what is wrong. */
const VIOLATIONS_SHOWN = 50
/** How the ledger says that something came again, and was not to. */
const REPEATED =
  / came to \S+ (?:after it was acknowledged|after its sender was told|as attempt \d+, after attempt)/
/** Between two faults. */
const CALM_MS = 1500

export interface Fire {
  readonly fleet: Fleet
  /** Traffic goes on for so long. @throws Error if a client meets a fault */
  pass(ms?: number): Promise<void>
}

export interface UnderFireOptions {
  readonly url: string
  readonly flags?: readonly string[]
  readonly brokers?: number
  /** The longest that a caller may wait for an answer, and a reader for its next message. */
  readonly waited_ms_max: number
  readonly silent_ms_max: number
  /** A master goes with leases and acknowledgements that no replica has: what they were for comes again. */
  readonly may_repeat?: boolean
  /** What is accepted may be lost all the same: it is counted and printed. */
  readonly may_lose?: boolean
}

/**
 * Has clients roam over several brokers on one Redis while things break; then compares what the brokers have
 * promised with what became of it.
 *
 * @param breaks breaks things, and ends when all is mended
 */
export async function underFire(
  options: UnderFireOptions,
  breaks: (fire: Fire) => Promise<void>,
): Promise<void> {
  const {
    url,
    flags = [],
    brokers = 3,
    waited_ms_max,
    silent_ms_max,
    may_repeat = false,
    may_lose = false,
  } = options
  await using fleet = await Fleet.start(brokers, url, flags)
  const traffic = new Traffic()
  const over = new AbortController()
  const running = traffic.roam(fleet.pick, over.signal)
  const pass = async (ms = CALM_MS) => void (await Promise.race([Bun.sleep(ms), running]))
  await pass()
  await breaks({ fleet, pass })
  await pass()
  over.abort()
  await running
  await fleet.ready()
  await traffic.finish(await fleet.pick(), 'redis')

  const { counts, silent_ms } = traffic.ledger
  const violations = traffic.ledger.violations.filter((what) => !(may_repeat && REPEATED.test(what)))
  const seen = { ...counts, turned_away: fleet.turned_away, waited_ms: fleet.waited_ms, silent_ms }
  if (process.env.MCP_BROKER_CHAOS_ROUNDS) console.log(seen)
  if (may_lose) {
    console.log(
      `${violations.filter((what) => what.endsWith('is lost')).length} of ${counts.receipts} were lost`,
    )
    return
  }
  expect({ violations: violations.slice(0, VIOLATIONS_SHOWN), faults: fleet.faults() }).toEqual({
    violations: [],
    faults: [],
  })
  // Faults that nobody noticed prove nothing.
  expect(counts.repeated_receipts).toBeGreaterThan(0)
  expect(counts.redeliveries).toBeGreaterThan(0)
  const late = [...fleet.waited_ms].filter(([, ms]) => ms > waited_ms_max)
  const silent = [...silent_ms].filter(([, ms]) => ms > silent_ms_max)
  expect({ late, silent }).toEqual({ late: [], silent: [] })
}

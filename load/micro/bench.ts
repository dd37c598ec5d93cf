/** Something small, measured within this process. */
export interface Micro {
  readonly name: string
  /** What one item is, such as `message`. */
  readonly item: string
  /** Items in a round. */
  readonly items: number
  /** Prepares it. @returns does one round */
  prepare(): Round | Promise<Round>
}

type Round = () => void | Promise<void>

const WARM_MS = 1000
const MEASURE_MS = 2000

/** CPU of this process per item, in microseconds, once every compiler has done its work. */
export async function measureMicro(micro: Micro): Promise<number> {
  return (await prepareMicro(micro)).measure()
}

/** Something small that is ready to be measured, as often as is wanted. */
export interface Measuring {
  measure(): Promise<number>
}

/** Prepares it and waits until every compiler has done its work. */
export async function prepareMicro({ items, prepare }: Micro): Promise<Measuring> {
  const round = await prepare()
  await repeat(round, WARM_MS)
  return {
    async measure() {
      const before = process.cpuUsage()
      const rounds = await repeat(round, MEASURE_MS)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / (rounds * items)
    },
  }
}

async function repeat(round: Round, ms: number): Promise<number> {
  const until_ms = performance.now() + ms
  let rounds = 0
  for (; performance.now() < until_ms; rounds++) await round()
  return rounds
}

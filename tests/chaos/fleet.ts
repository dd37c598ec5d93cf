import { type BrokerUnderTest, RealBroker } from '../durability/real-broker.ts'
import { until } from '../harness.ts'

/** What a client has to expect while Redis is away, and may repeat. */
const PASSING = /storage_unavailable|outcome_unknown/

type Settings = Readonly<Record<string, string>>

/** Several brokers on one Redis, each in a process of its own. */
export class Fleet implements AsyncDisposable {
  readonly brokers: readonly RealBroker[]
  /** The longest that a caller waited for an answer, by command, in milliseconds. */
  readonly waited_ms = new Map<string, number>()
  /** Calls that were turned away. */
  turned_away = 0

  private constructor(count: number, url: string, flags: readonly string[], settings: Settings) {
    const on_redis = ['--redis-url', url, ...flags]
    this.brokers = Array.from({ length: count }, () => new RealBroker(undefined, on_redis, settings))
  }

  /** @param settings flags with other values than a {@link RealBroker} has */
  static async start(
    count: number,
    url: string,
    flags: readonly string[] = [],
    settings: Settings = {},
  ): Promise<Fleet> {
    const fleet = new Fleet(count, url, flags, settings)
    await Promise.all(fleet.brokers.map((broker) => broker.start()))
    return fleet
  }

  /** Any broker that runs, as its clients see it. */
  readonly pick = async (): Promise<BrokerUnderTest> => {
    const broker = await until('a broker', () => {
      const running = this.brokers.filter(({ ending }) => !ending)
      return running[Math.floor(Math.random() * running.length)]
    })
    const { url, ended } = broker
    return {
      url,
      ended,
      get ending() {
        return broker.ending || broker.url !== url
      },
      start: () => broker.start(),
      kill: () => broker.kill(),
      excuses: (error) => {
        const passing = error instanceof Error && PASSING.test(error.message)
        if (passing) this.turned_away++
        return passing
      },
      answered: (command, ms) => {
        if (ms > (this.waited_ms.get(command) ?? 0)) this.waited_ms.set(command, ms)
      },
    }
  }

  /** Waits until all of them are ready. */
  async ready(): Promise<void> {
    for (const { url } of this.brokers)
      await until(
        `${url} to be ready`,
        async () => (await fetch(`${url}/health/ready`)).ok || undefined,
        15_000,
      )
  }

  faults(): string[] {
    return this.brokers.flatMap((broker) => broker.faults())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker[Symbol.asyncDispose]()))
  }
}

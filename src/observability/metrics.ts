import { Counter, Gauge, Registry } from 'prom-client'

/** The values at the moment of a scrape. Counters count from the start of the process. */
export interface Readings {
  readonly version: string
  /** Where accepted messages are kept. */
  readonly stored: string
  readonly counters: {
    readonly accepted: number
    readonly refused: number
    readonly delivered: number
    readonly acknowledged: number
    readonly redelivered: number
    readonly dead: Readonly<Record<string, number>>
  }
  readonly engine: {
    readonly clients: number
    readonly pending: number
    readonly leased: number
    readonly history: number
    readonly dead_letters: number
    readonly stored_bytes: number
    /** Undefined on an engine without a journal. */
    readonly journal?:
      | {
          readonly bytes: number
          readonly live_bytes: number
          readonly segments: number
          readonly sync: string
          readonly last_sync_at: number | undefined
          readonly trouble: string | undefined
          readonly refused: number
          readonly commits: Timings
          readonly syncs: Timings
        }
      | undefined
    /** Undefined on an engine of one process. With it, the totals are those of all instances. */
    readonly redis?:
      | {
          readonly up: boolean
          readonly trouble: string | undefined
          readonly instances: number
          readonly wait_replicas: number
          readonly calls: Timings
          readonly unknown_outcomes: number
          readonly wait_unmet: number
        }
      | undefined
  }
  /** Announcements and takeovers that were lost on the way here, and found. */
  readonly found: number
  readonly connections: number
  readonly subscriptions: number
  readonly waiting: number
  readonly protocols: {
    readonly refusals: Readonly<Record<string, number>>
    readonly adapter_steps: number
    readonly validations: Readonly<Record<string, Timings>>
  }
}

/** How long something took, as a histogram counts it. */
export interface Timings {
  readonly count: number
  /** Seconds. */
  readonly sum: number
  /** How many took up to each of `bounds` seconds and more than the one before; then those beyond all. */
  readonly buckets: readonly number[]
  readonly bounds: readonly number[]
}

/** One metric: a single value, or one for each value of its label. Labels are few and name no client. */
interface Metric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly label?: string
  /** Undefined: the metric does not apply, and is left out. */
  readonly read: (readings: Readings) => number | Readonly<Record<string, number>> | undefined
}

const counted = (
  name: string,
  help: string,
  read: (counters: Readings['counters']) => number | Readonly<Record<string, number>>,
  label?: string,
): Metric => ({
  name: `mcp_broker_messages_${name}_total`,
  help,
  kind: 'counter',
  read: ({ counters }) => read(counters),
  ...(label === undefined ? {} : { label }),
})

const gauge = (name: string, help: string, read: Metric['read'], label?: string): Metric => ({
  name: `mcp_broker_${name}`,
  help,
  kind: 'gauge',
  read,
  ...(label === undefined ? {} : { label }),
})

/** Of all that is stored: under another name where that is what many brokers have together. */
const total = (name: string, help: string, read: Metric['read'], label?: string): Metric[] => [
  gauge(name, help, (readings) => (readings.engine.redis ? undefined : read(readings)), label),
  gauge(
    `cluster_${name}`,
    `${help.slice(0, -1)}, of all brokers on this Redis; the last known while it is away.`,
    (readings) => (readings.engine.redis ? read(readings) : undefined),
    label,
  ),
]

const ofRedis = (
  name: string,
  help: string,
  read: (redis: NonNullable<Readings['engine']['redis']>, readings: Readings) => number,
): Metric => ({
  name: `mcp_broker_redis_${name}_total`,
  help,
  kind: 'counter',
  read: (readings) => readings.engine.redis && read(readings.engine.redis, readings),
})

const METRICS: readonly Metric[] = [
  counted('accepted', 'Messages stored, once for each mailbox.', ({ accepted }) => accepted),
  counted('refused', 'Messages that a mailbox did not take.', ({ refused }) => refused),
  counted(
    'delivered',
    'Messages handed to a reader, repeated deliveries included.',
    ({ delivered }) => delivered,
  ),
  counted('acknowledged', 'Messages acknowledged.', ({ acknowledged }) => acknowledged),
  counted('redelivered', 'Messages that became pending again.', ({ redelivered }) => redelivered),
  counted('dead', 'Messages dead-lettered, by reason.', ({ dead }) => dead, 'reason'),
  {
    name: 'mcp_broker_payloads_refused_total',
    help: 'Payloads that did not fit their protocol, by the rule that they break first.',
    kind: 'counter',
    label: 'rule',
    read: ({ protocols }) => protocols.refusals,
  },
  {
    name: 'mcp_broker_adapter_steps_total',
    help: 'Steps of adapters that payloads went through.',
    kind: 'counter',
    read: ({ protocols }) => protocols.adapter_steps,
  },
  ...total(
    'mailbox_messages',
    'Messages in all mailboxes, by state.',
    ({ engine: { pending, leased, history } }) => ({ pending, leased, history }),
    'state',
  ),
  ...total('dead_letters', 'Dead letters kept.', ({ engine }) => engine.dead_letters),
  ...total('stored_bytes', 'Size of all that is stored, in bytes.', ({ engine }) => engine.stored_bytes),
  gauge(
    'journal_bytes',
    'Size of all files of the journal, in bytes.',
    ({ engine }) => engine.journal?.bytes,
  ),
  gauge(
    'journal_live_bytes',
    'About how much of the journal a start would bring back, in bytes.',
    ({ engine }) => engine.journal?.live_bytes,
  ),
  gauge('journal_segments', 'Files of the journal.', ({ engine }) => engine.journal?.segments),
  {
    name: 'mcp_broker_journal_refused_appends_total',
    help: 'Messages refused because the disk was full or failed.',
    kind: 'counter',
    read: ({ engine }) => engine.journal?.refused,
  },
  ...total('clients', 'Addresses known.', ({ engine }) => engine.clients),
  gauge('cluster_instances', 'Brokers on this Redis that live.', ({ engine }) => engine.redis?.instances),
  gauge(
    'redis_up',
    '1 while Redis takes calls, and what this broker publishes is heard.',
    ({ engine: { redis } }) => redis && Number(redis.up),
  ),
  ofRedis(
    'unknown_outcomes',
    'Tries of calls that may have been carried out, and were made again or given up.',
    ({ unknown_outcomes }) => unknown_outcomes,
  ),
  ofRedis(
    'wait_unmet',
    'How often fewer replicas than wanted had what was written in time.',
    ({ wait_unmet }) => wait_unmet,
  ),
  ofRedis(
    'position_misses',
    'Announcements and takeovers that were lost on the way here, and found.',
    (_, { found }) => found,
  ),
  gauge('connections', 'WebSockets and event streams open.', ({ connections }) => connections),
  gauge('subscriptions', 'Mailboxes being read live.', ({ subscriptions }) => subscriptions),
  gauge('waiting_calls', 'Calls waiting for a message.', ({ waiting }) => waiting),
  gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', () => process.memoryUsage.rss()),
  gauge('process_uptime_seconds', 'Time since the process started, in seconds.', () => process.uptime()),
  {
    name: 'mcp_broker_process_cpu_seconds_total',
    help: 'CPU time used, in seconds, by mode.',
    kind: 'counter',
    label: 'mode',
    read: () => {
      const { user, system } = process.cpuUsage()
      return { user: user / 1e6, system: system / 1e6 }
    },
  },
]

/** The metrics of one broker in the Prometheus text format, read at each scrape. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #set: ((readings: Readings) => void)[]

  constructor() {
    this.#set = METRICS.map((metric) => this.#register(metric))
    const info = new Gauge({
      name: 'mcp_broker_info',
      help: 'Always 1; its labels say which broker this is.',
      labelNames: ['version', 'stored'],
      registers: [this.#registry],
    })
    this.#set.push(({ version, stored }) => info.set({ version, stored }, 1))
  }

  async scrape(readings: Readings): Promise<{ content_type: string; text: string }> {
    for (const set of this.#set) set(readings)
    const gathered = (await this.#registry.metrics()).trimEnd()
    const text = [gathered, ...histogramsOf(readings)].join('\n\n')
    return { content_type: this.#registry.contentType, text: `${text}\n` }
  }

  #register({ name, help, kind, label, read }: Metric): (readings: Readings) => void {
    const options = {
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [this.#registry],
    }
    const metric = kind === 'counter' ? new Counter(options) : new Gauge(options)
    return (readings) => {
      const value = read(readings)
      metric.reset()
      if (value === undefined) {
        // Without labels a reset leaves a zero.
        if (label === undefined) metric.remove({})
        return
      }
      if (label === undefined) metric.inc(value as number)
      else
        for (const [name, number] of Object.entries(value as Record<string, number>))
          metric.inc({ [label]: name }, number)
    }
  }
}

/** The histograms. They are kept where things are timed, so only their text is made here. */
function histogramsOf({ protocols, engine: { journal, redis } }: Readings): string[] {
  const texts = [
    histogram(
      'validation_seconds',
      'Time to check a payload, in seconds, by where: inline, where one in 16 is timed, or in the worker with its queue.',
      Object.entries(protocols.validations).map(([where, timings]) => [`where="${where}"`, timings]),
    ),
  ]
  if (journal)
    texts.push(
      histogram('journal_commit_seconds', 'Time to write what a turn has done, in seconds.', [
        ['', journal.commits],
      ]),
      histogram('journal_sync_seconds', 'Time until the disk has what was written, in seconds.', [
        ['', journal.syncs],
      ]),
    )
  if (redis)
    texts.push(
      histogram('redis_call_seconds', 'From a call to Redis until it was answered, in seconds.', [
        ['', redis.calls],
      ]),
    )
  return texts
}

function histogram(name: string, help: string, series: [labels: string, Timings][]): string {
  const full = `mcp_broker_${name}`
  const lines = [`# HELP ${full} ${help}`, `# TYPE ${full} histogram`]
  for (const [labels, { count, sum, buckets, bounds }] of series) {
    const of = labels === '' ? '' : `{${labels}}`
    const and = labels === '' ? '' : `${labels},`
    let below = 0
    for (const [i, bound] of bounds.entries()) {
      below += buckets[i]!
      lines.push(`${full}_bucket{${and}le="${bound}"} ${below}`)
    }
    lines.push(
      `${full}_bucket{${and}le="+Inf"} ${count}`,
      `${full}_sum${of} ${sum}`,
      `${full}_count${of} ${count}`,
    )
  }
  return lines.join('\n')
}

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
  }
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
  readonly read: (readings: Readings) => number | Readonly<Record<string, number>>
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
  gauge(
    'mailbox_messages',
    'Messages in all mailboxes, by state.',
    ({ engine: { pending, leased, history } }) => ({ pending, leased, history }),
    'state',
  ),
  gauge('dead_letters', 'Dead letters kept.', ({ engine }) => engine.dead_letters),
  gauge('stored_bytes', 'Size of all that is stored, in bytes.', ({ engine }) => engine.stored_bytes),
  gauge('clients', 'Addresses known.', ({ engine }) => engine.clients),
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
    const text = `${(await this.#registry.metrics()).trimEnd()}${validationText(readings.protocols.validations)}`
    return { content_type: this.#registry.contentType, text }
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
      if (label === undefined) metric.inc(value as number)
      else
        for (const [name, number] of Object.entries(value as Record<string, number>))
          metric.inc({ [label]: name }, number)
    }
  }
}

const VALIDATION = 'mcp_broker_validation_seconds'

/**
 * The histogram of validation times. It is kept where messages are checked, so only its text is made here.
 */
function validationText(validations: Readings['protocols']['validations']): string {
  const lines = [
    `# HELP ${VALIDATION} Time to check a payload, in seconds, by where: inline, where one in 16 is timed, or in the worker with its queue.`,
    `# TYPE ${VALIDATION} histogram`,
  ]
  for (const [where, { count, sum, buckets, bounds }] of Object.entries(validations)) {
    let below = 0
    for (const [i, bound] of bounds.entries()) {
      below += buckets[i]!
      lines.push(`${VALIDATION}_bucket{where="${where}",le="${bound}"} ${below}`)
    }
    lines.push(`${VALIDATION}_bucket{where="${where}",le="+Inf"} ${count}`)
    lines.push(`${VALIDATION}_sum{where="${where}"} ${sum}`, `${VALIDATION}_count{where="${where}"} ${count}`)
  }
  return `\n\n${lines.join('\n')}\n`
}

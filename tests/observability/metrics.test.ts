import { expect, test } from 'bun:test'
import { Metrics, type Readings } from '../../src/observability/metrics.ts'

const READINGS: Readings = {
  version: '1.2.3',
  stored: 'disk',
  counters: {
    accepted: 5,
    refused: 1,
    delivered: 4,
    acknowledged: 3,
    redelivered: 2,
    dead: { expired: 7, rejected: 0 },
  },
  engine: { clients: 2, pending: 1, leased: 1, history: 3, dead_letters: 7, stored_bytes: 512 },
  found: 0,
  connections: 9,
  subscriptions: 8,
  waiting: 6,
  protocols: {
    refusals: { required: 4 },
    adapter_steps: 3,
    validations: { inline: { count: 6, sum: 0.5, buckets: [1, 2, 3], bounds: [0.001, 0.1] } },
  },
}

test('every metric has its help, a unit or a count in its name, and values from the readings', async () => {
  const { text } = await new Metrics().scrape(READINGS)
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => ({ name: name!, kind }))
  expect(names.length).toBeGreaterThan(15)
  for (const { name, kind } of names) {
    expect(name).toStartWith('mcp_broker_')
    expect(text).toMatch(new RegExp(`^# HELP ${name} .+\\.$`, 'm'))
    expect(name.endsWith('_total')).toBe(kind === 'counter')
  }
  expect(text).toContain('mcp_broker_messages_dead_total{reason="expired"} 7\n')
  expect(text).toContain('mcp_broker_stored_bytes 512\n')
  expect(text).toContain('mcp_broker_info{version="1.2.3",stored="disk"} 1\n')
  expect(text).toContain('mcp_broker_payloads_refused_total{rule="required"} 4\n')
  expect(text).toContain('mcp_broker_adapter_steps_total 3\n')
})

test('a histogram counts upwards, up to all that there was', async () => {
  const { text } = await new Metrics().scrape(READINGS)
  const lines = text.split('\n').filter((line) => line.startsWith('mcp_broker_validation_seconds'))
  expect(lines).toEqual([
    'mcp_broker_validation_seconds_bucket{where="inline",le="0.001"} 1',
    'mcp_broker_validation_seconds_bucket{where="inline",le="0.1"} 3',
    'mcp_broker_validation_seconds_bucket{where="inline",le="+Inf"} 6',
    'mcp_broker_validation_seconds_sum{where="inline"} 0.5',
    'mcp_broker_validation_seconds_count{where="inline"} 6',
  ])
  expect(text).not.toContain('\n\n\n')
})

test('what many brokers have together has other names, and is there with Redis alone', async () => {
  const metrics = new Metrics()
  const calls = { count: 3, sum: 0.5, buckets: [2, 1], bounds: [0.1] }
  const redis = { up: true, trouble: undefined, instances: 2, wait_replicas: 1, calls }
  const engine = { ...READINGS.engine, redis: { ...redis, unknown_outcomes: 4, wait_unmet: 5 } }
  const values = (text: string) => text.split('\n').filter((line) => !line.startsWith('#'))
  const shared = values((await metrics.scrape({ ...READINGS, engine, found: 6 })).text)
  const own = values((await metrics.scrape(READINGS)).text)
  const about = (lines: string[]) => lines.filter((line) => /_(redis|cluster)_/.test(line))
  expect(about(own)).toEqual([])
  expect(own).toContain('mcp_broker_clients 2')
  expect(shared.filter((line) => line.startsWith('mcp_broker_clients'))).toEqual([])
  for (const line of [
    'mcp_broker_cluster_clients 2',
    'mcp_broker_cluster_mailbox_messages{state="pending"} 1',
    'mcp_broker_cluster_instances 2',
    'mcp_broker_redis_up 1',
    'mcp_broker_redis_unknown_outcomes_total 4',
    'mcp_broker_redis_wait_unmet_total 5',
    'mcp_broker_redis_position_misses_total 6',
    'mcp_broker_redis_call_seconds_bucket{le="0.1"} 2',
    'mcp_broker_redis_call_seconds_count 3',
  ])
    expect(shared).toContain(line)
})

test('a scrape tells of now: counters are not added up from scrape to scrape', async () => {
  const metrics = new Metrics()
  await metrics.scrape(READINGS)
  const { text } = await metrics.scrape({ ...READINGS, counters: { ...READINGS.counters, accepted: 6 } })
  expect(text).toContain('mcp_broker_messages_accepted_total 6\n')
})

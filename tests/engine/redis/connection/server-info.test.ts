import { expect, test } from 'bun:test'
import { faultsOf, isSharded, readInfo } from '../../../../src/engine/redis/connection/servers/server-info.ts'

const info = (changes: Record<string, string>) => {
  const fields = {
    redis_version: '7.0.15',
    redis_mode: 'standalone',
    maxmemory_policy: 'noeviction',
    role: 'master',
    master_replid: '0123456789abcdef',
    master_replid2: 'fedcba9876543210',
    connected_slaves: '2',
    ...changes,
  }
  return readInfo(
    `# Server\r\n${Object.entries(fields)
      .map((field) => `${field.join(':')}\r\n`)
      .join('')}`,
  )
}

test('INFO says who a server is', () => {
  expect(info({})).toEqual({
    version: [7, 0],
    maxmemory_policy: 'noeviction',
    role: 'master',
    mode: 'standalone',
    history: '01234567',
    history_before: 'fedcba98',
    replicas: 2,
  })
})

test.each<[Record<string, string>, RegExp | undefined]>([
  [{}, undefined],
  [{ redis_version: '6.2.0' }, undefined],
  [{ redis_version: '6.0.16' }, /^This Redis is version 6\.0: it has to be 6\.2 or later, or Valkey\.$/],
  [{ redis_version: '5.0.14' }, /version 5\.0/],
  [{ server_name: 'valkey', redis_version: '6.0.0' }, undefined],
  [{ maxmemory_policy: 'volatile-ttl' }, /volatile-ttl\): set it to noeviction/],
  [{ role: 'slave' }, /is a replica/],
  [{ redis_mode: 'cluster' }, /write redis\+cluster:\/\//],
  [{ redis_mode: 'sentinel' }, /write redis\+sentinel:\/\//],
])('%j', (changes, fault) => {
  const faults = faultsOf(info(changes), 'standalone')
  expect(faults.length).toBe(fault ? 1 : 0)
  if (fault) expect(faults[0]).toMatch(fault)
})

test('a URL of a cluster means nodes of one', () => {
  expect(faultsOf(info({ redis_mode: 'cluster' }), 'cluster')).toEqual([])
  expect(faultsOf(info({}), 'cluster').join()).toMatch(/write redis:\/\//)
})

test('Redis 7 and Valkey have channels in slots', () => {
  expect(isSharded(info({}))).toBe(true)
  expect(isSharded(info({ redis_version: '6.2.14' }))).toBe(false)
  expect(isSharded(info({ redis_version: '6.2.0', valkey_version: '8.0.0' }))).toBe(true)
})

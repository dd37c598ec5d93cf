import { expect, test } from 'bun:test'
import { memoryBytes, startBroker, until } from '../../harness.ts'
import { call, RawSocket } from './client.ts'

const MIB = 1024 * 1024

test('thousands of requests whose answers nobody reads take no memory, and others are answered', async () => {
  await using broker = await startBroker()
  await call(broker.url, 'GET', '/openapi')
  const before = memoryBytes()
  await using silent = await RawSocket.open(broker.url)
  silent.stopReading()
  // Each answer is 60 KB: 10,000 of them would be 600 MB.
  const requests = 'GET /openapi HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(100)
  for (let batch = 0; batch < 100; batch++) {
    silent.write(requests)
    await call(broker.url, 'GET', '/v1/identity')
  }
  expect((await call(broker.url, 'GET', '/health/ready')).status).toBe(200)
  expect(memoryBytes() - before).toBeLessThan(96 * MIB)
})

test('calls that wait are bounded, and the one too many is told when to come back', async () => {
  await using broker = await startBroker({ waiting_max: 3 })
  const poll = (client_id: string) =>
    fetch(`${broker.url}/v1/mailboxes/${client_id}/messages?wait_seconds=60`)
  const polling = ['a', 'b', 'c'].map(poll)
  await until('three to wait', () => broker.broker.waiters.count === 3 || undefined)
  const refused = await poll('d')
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('1')
  await broker.stop()
  await Promise.all(polling)
})

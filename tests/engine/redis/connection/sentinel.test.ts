import { expect, test } from 'bun:test'
import { script } from '../../../../src/engine/redis/script.ts'
import { until } from '../../../harness.ts'
import { Sentinel } from '../../../redis/sentinel.ts'
import { COUNT, readyClient, subscriberOf } from './clients.ts'

const PUBLISH = script('publish', "return redis.call('SPUBLISH', KEYS[1], ARGV[1])")

test.each(['SIGKILL', 'SIGSTOP'] as const)(
  'a master that is gone (%s): calls and the subscriber go on with the next one, and nothing is lost',
  async (signal) => {
    await using sentinel = await Sentinel.start()
    using client = await readyClient(sentinel.url, { wait_replicas: 1, call_ms: 15_000 })
    using subscriber = subscriberOf(client)
    await subscriber.follow('test:0:news')
    let number = 0
    let going = true
    const answered: number[] = []
    const generations = new Set<string>()
    const writing = (async () => {
      while (going) {
        const calls = Array.from({ length: 5 }, () => client.run(COUNT, ['test:0:{f}'], [number++]))
        for (const answer of await Promise.all(calls)) answered.push((answer as [number, number])[0])
        generations.add(client.placeOf('test:0:{f}').generation)
      }
    })()
    await until('calls', () => (answered.length > 50 ? true : undefined))
    const old = await sentinel.master()
    old.process.kill(signal)
    await until('the next master', async () => ((await sentinel.master()) === old ? undefined : true), 15_000)
    const then = answered.length
    await until('calls to it', () => (answered.length > then + 50 ? true : undefined), 15_000)
    await until('the news', () => (subscriber.missed > 0 && subscriber.complete ? true : undefined), 15_000)
    expect(await client.run(PUBLISH, ['test:0:news'], ['after'])).toBe(1)
    await until('the message', () => (subscriber.heard.includes('test:0:news after') ? true : undefined))
    if (signal === 'SIGSTOP') old.process.kill('SIGCONT')
    const again = answered.length
    await until('calls after its return', () => (answered.length > again + 50 ? true : undefined), 15_000)
    going = false
    await writing
    expect(await client.command('HGET', 'test:0:{f}', 'count')).toBe(String(number))
    expect(answered.length).toBe(number)
    expect(generations.size).toBe(2)
    expect(subscriber.missed).toBe(1)
  },
  60_000,
)

import { Instances } from '../instances.ts'
import { measureMix } from '../mix.ts'
import type { Scenario } from '../scenario.ts'
import { redisNote } from './redis-direct.ts'

const RATE = 1000
const INSTANCES = 2
const WINDOWS = { warm_seconds: 3, seconds: 27 }
const SHORT = { warm_seconds: 1, seconds: 2 }

export const redisMixed: Scenario = {
  name: 'redis-mixed',
  summary: 'the mix of sessions at 1,000 messages/s, spread over 2 instances on Redis: nothing is lost',
  in_short: false,
  async run(run) {
    const windows = run.short ? SHORT : WINDOWS
    await using carrier = await Instances.start(INSTANCES)
    run.say(`${RATE} messages/s for ${windows.warm_seconds + windows.seconds} s`)
    const measured = await measureMix(carrier, carrier.urls, RATE, windows)
    const what = `${RATE}/s, ${INSTANCES} instances`
    return { rows: [{ what, ...measured, budgets: [], note: redisNote(measured) }] }
  },
}

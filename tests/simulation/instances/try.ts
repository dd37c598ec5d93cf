import { Cluster } from './cluster.ts'
import type { Bug } from './faults.ts'
import { RarePaths } from './rare-paths.ts'

const [, , bug = '', runs = '100', from = '1'] = process.argv
const t0 = performance.now()
const why = new Map<string, number>()
const first = new Map<string, number>()
const all = new RarePaths()
let fell = 0,
  events = 0
for (let seed = Number(from); seed < Number(from) + Number(runs); seed++) {
  const c = new Cluster(seed, (bug || undefined) as Bug | undefined)
  await c.run(100).catch((e) => c.failed(e))
  events += c.schedule.events
  all.add(c.rare)
  if (c.failure) {
    fell++
    const k = c.failure
      .replace(/^step \d+: /, '')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
      .replace(/\d+/g, 'N')
    why.set(k, (why.get(k) ?? 0) + 1)
    if (!first.has(k)) first.set(k, seed)
  }
}
console.log(
  bug,
  `${runs} seeds, ${fell} fell; ${((performance.now() - t0) / Number(runs)).toFixed(1)} ms a seed, ${Math.round(events / Number(runs))} events`,
)
for (const [k, n] of why) console.log('  ', n, k, 'first', first.get(k))
if (process.env.RARE)
  for (const [k, n] of [...all.counts].sort((a, b) => a[1] - b[1])) console.log('     ', n, k)
process.exit(0)

import { parseArgs } from 'node:util'
import { figure } from '../scenario.ts'
import { type Measuring, type Micro, measureMicro, prepareMicro } from './bench.ts'
import { ENGINES, type NewEngine } from './engines.ts'
import { frames } from './frames.ts'
import { encode, mailbox } from './mailbox.ts'
import { path } from './path.ts'
import { check, compile, negotiation, registration, roundTrip } from './protocols.ts'

/**
 * `bun load/micro/run.ts [--engine NAME[,NAME…]] [word…]`: what the parts of a message's path cost without
 * sockets, for who works on one of them. They have no budgets; with words, only those are measured whose name
 * has one of them.
 *
 * With `--engine` the paths alone are measured, with each of these engines in turn, {@link TURNS} times; the
 * medians are told, and their ratio to that of the first.
 */
const USAGE = `--engine takes ${Object.keys(ENGINES).join(', ')}, or several of these with commas between them.`
const TURNS = 5

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { engine: { type: 'string' } },
})
process.exit(
  values.engine === undefined ? await measureAll() : await measureEngines(values.engine.split(',')),
)

async function measureAll(): Promise<number> {
  const protocols = [check(true), check(false), compile, registration, negotiation, roundTrip]
  for (const micro of [...paths(), mailbox, encode, frames, ...protocols].filter(isWanted))
    tell(micro.name, await measureMicro(micro), micro)
  return 0
}

function paths(newEngine?: NewEngine): Micro[] {
  return [
    path(10, false, newEngine),
    path(1, false, newEngine),
    path(10, true, newEngine),
    path(1, true, newEngine),
  ]
}

function isWanted({ name }: Micro): boolean {
  return words.length === 0 || words.some((word) => name.includes(word))
}

async function measureEngines(names: readonly string[]): Promise<number> {
  for (const name of names) {
    if (!Object.hasOwn(ENGINES, name)) console.error(`There is no engine ${name}. ${USAGE}`)
    else if (!ENGINES[name]) console.error(`The engine ${name} is not available: this broker has none.`)
    if (!ENGINES[name]) return 2
  }
  for (const [i, micro] of paths().entries()) {
    if (!isWanted(micro)) continue
    const measuring: { name: string; path: Measuring; cpu_us: number[] }[] = []
    for (const name of names)
      measuring.push({ name, path: await prepareMicro(paths(ENGINES[name])[i]!), cpu_us: [] })
    for (let turn = 0; turn < TURNS; turn++)
      for (const { path, cpu_us } of measuring) cpu_us.push(await path.measure())
    const medians = measuring.map(({ cpu_us }) => cpu_us.toSorted((a, b) => a - b)[TURNS >> 1]!)
    for (const [n, { name }] of measuring.entries()) {
      const ratio = n === 0 ? '' : `, ${figure(medians[n]! / medians[0]!)} × ${names[0]}`
      tell(`${micro.name}, ${name}`, medians[n]!, micro, ratio)
    }
  }
  return 0
}

function tell(name: string, cpu_us: number, { item }: Micro, more = ''): void {
  console.log(`${name.padEnd(38)}${cpu_us.toFixed(3)} µs of CPU per ${item}${more}`)
}

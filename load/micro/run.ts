import { measureMicro } from './bench.ts'
import { frames } from './frames.ts'
import { encode, mailbox } from './mailbox.ts'
import { path } from './path.ts'
import { check, compile, negotiation, registration, roundTrip } from './protocols.ts'

/**
 * `bun load/micro/run.ts [word…]`: what the parts of a message's path cost without sockets, for who works on one of them.
 * They have no budgets; with words, only those are measured whose name has one of them.
 */
const words = process.argv.slice(2)
const paths = [path(10), path(1), path(10, true), path(1, true)]
const protocols = [check(true), check(false), compile, registration, negotiation, roundTrip]
for (const micro of [...paths, mailbox, encode, frames, ...protocols]) {
  if (words.length > 0 && !words.some((word) => micro.name.includes(word))) continue
  const cpu_us = await measureMicro(micro)
  console.log(`${micro.name.padEnd(38)}${cpu_us.toFixed(3)} µs of CPU per ${micro.item}`)
}
process.exit(0)

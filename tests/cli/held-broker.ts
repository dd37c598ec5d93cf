import { runCli } from '../../src/cli/cli.ts'
import { processTerminal } from '../../src/cli/terminal.ts'
import { StartRefused } from '../../src/core/errors.ts'
import { HeldEngine } from '../held-engine.ts'

/**
 * The real program with an engine that loads. What it does is told on standard input, a word a line: a number
 * of percent is loaded, `open`, `refuse`, `fail`.
 */
const engine = new HeldEngine()
const code = runCli(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  env: process.env,
  newEngine: engine.make,
})
void code.then((code) => {
  process.exitCode = code
})

for await (const word of console) {
  if (word === 'open') engine.open()
  else if (word === 'refuse') engine.fail(new StartRefused('The directory is held by process 7.', 'Stop it.'))
  else if (word === 'fail') engine.fail(Object.assign(new Error('a disk that lies'), { code: 'EACCES' }))
  else engine.loaded(Number(word) * 1024 * 1024, 100 * 1024 * 1024)
  if (/^[a-z]/.test(word)) break
}

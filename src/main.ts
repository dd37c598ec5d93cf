#!/usr/bin/env bun
import { runCli } from './cli/cli.ts'
import { processTerminal } from './cli/terminal.ts'

// Only sets the exit code: the process ends by itself, after all output is written.
process.exitCode = await runCli(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  env: process.env,
})

#!/usr/bin/env bun
import { runCli } from './cli/cli.ts'
import { processTerminal } from './cli/terminal.ts'

// The exit code is set and the process left to end by itself, so that all output is written out first.
process.exitCode = await runCli(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  env: process.env,
})

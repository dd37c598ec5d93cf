import { CALL_FLAGS, send, type Target, targetOf, wantsJson } from './client.ts'
import { PROGRAM } from './program.ts'
import { EXIT } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

/** A health check that takes longer has its answer. */
const ANSWER_MS_MAX = 5000

export const status: Verb = {
  name: 'status',
  summary: 'Say whether the broker works, and what it holds.',
  args: '',
  positionals: [0, 0],
  examples: [
    [`${PROGRAM} status`, 'the broker on this machine'],
    [`${PROGRAM} status --url https://broker.example`, 'another'],
    [`${PROGRAM} status --json`, 'for programs'],
  ],
  notes: [
    'Exits with 0 when a message could be stored and announced just now, which makes it a health check. That much is ' +
      'answered without a key; the figures need one, where the broker has keys.',
  ],
  flags: CALL_FLAGS,
  async run(line, surroundings) {
    const { terminal } = surroundings
    const target = targetOf(line, surroundings)
    await ready(target)
    const json = wantsJson(line)
    const figures = await send(target, '/v1/status', {
      accept: json ? 'application/json' : 'text/plain',
      ms_max: ANSWER_MS_MAX,
    }).catch((error: unknown) => {
      if (error instanceof CliError && error.error?.code === 'unauthenticated') return undefined
      throw error
    })
    if (json)
      terminal.out(
        JSON.stringify({ ready: true, url: target.url, ...((await figures?.json()) as object | undefined) }),
      )
    else if (figures) terminal.out((await figures.text()).trimEnd())
    else {
      terminal.out('ready')
      terminal.err('The figures need a key: set MCP_BROKER_API_KEY.')
    }
    return EXIT.ok
  },
}

/** @throws CliError when no message could be stored and announced */
async function ready(target: Target): Promise<void> {
  const response = await send({ ...target, key: undefined }, '/health/ready', {
    ms_max: ANSWER_MS_MAX,
    errors: false,
  })
  if (response.ok) return
  if (response.status === 404)
    throw new CliError(
      `There is no broker at ${target.url}.`,
      'Give its address without a path, such as http://127.0.0.1:8123.',
    )
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: string }
  throw new CliError(
    `The broker at ${target.url} is not ready: ${detail ?? `HTTP ${response.status}`}`,
    'See its log.',
  )
}

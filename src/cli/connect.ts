import { nearestNames } from '../core/routing.ts'
import { CALL_FLAGS, send, type Target, targetOf } from './client.ts'
import { CLIENTS, KEY } from './clients.ts'
import { PROGRAM } from './program.ts'
import { styled, table } from './render.ts'
import { EXIT } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

export const connect: Verb = {
  name: 'connect',
  summary: 'Print the configuration that brings an MCP client here.',
  args: '[CLIENT]',
  positionals: [0, 1],
  examples: [
    [`${PROGRAM} connect`, 'which clients there are'],
    [`${PROGRAM} connect claude-code`, 'what to run, or to put into which file, and what happens then'],
    [`${PROGRAM} connect cursor > .cursor/mcp.json`, 'in a pipe: the file alone'],
    [`${PROGRAM} connect codex --url https://broker.example`, 'for a broker elsewhere'],
  ],
  notes: [
    `Clients: ${Object.keys(CLIENTS).join(', ')}. Others need the URL alone: /mcp, Streamable HTTP.`,
    `Where the broker needs keys, the client takes its own from ${KEY}: no key is ever printed.`,
  ],
  flags: { url: CALL_FLAGS.url!, key: CALL_FLAGS.key! },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [word] = line.positionals
    if (word === undefined) {
      const rows = Object.entries(CLIENTS).map(([name, { title, file }]) => [name, title, file])
      table(terminal, ['CLIENT', 'NAME', 'CONFIGURED IN'], rows)
      return EXIT.ok
    }
    const client = Object.hasOwn(CLIENTS, word) ? CLIENTS[word] : undefined
    if (!client) throw unknownClient(word)
    const target = targetOf(line, surroundings)
    const { key, warning } = await ask(target)
    if (warning) terminal.err(`warning: ${warning}`)
    const url = `${target.url}/mcp`
    const next = [
      ...(key && !client.asks_key ? [`${KEY} must be set where it starts.`] : []),
      ...(key && client.asks_key ? ['It asks for the key.'] : []),
      client.next,
    ].join(' ')
    if (!terminal.interactive) {
      terminal.out(client.config(url, key))
      terminal.err(`${client.title}: ${next}`)
      return EXIT.ok
    }
    const heading = (text: string) => styled(text, 'bold', terminal)
    if (client.command) {
      terminal.out(`${heading(`${client.title}: run`)}\n\n${client.command(url, key)}\n`)
      terminal.out(`${heading(`or put this into ${client.file}:`)}\n`)
    } else terminal.out(`${heading(`${client.title}: put this into ${client.file}:`)}\n`)
    terminal.out(client.config(url, key))
    terminal.out(`\n${heading('Then:')} ${next}`)
    return EXIT.ok
  },
}

function unknownClient(word: string): CliError {
  const near = nearestNames(word, Object.keys(CLIENTS))
  return new CliError(
    `There is no ready-made configuration for "${word}".`,
    near.length > 0
      ? `Did you mean ${near.join(' or ')}?`
      : `There is one for ${Object.keys(CLIENTS).join(', ')}; others need the URL alone: /mcp, Streamable HTTP.`,
    true,
  )
}

/** Whether the broker needs a key. If no broker answers, a key that the caller has is taken for a yes. */
async function ask(target: Target): Promise<{ key: boolean; warning?: string }> {
  try {
    await send({ ...target, key: undefined }, '/v1/identity', { ms_max: 3000 })
    return { key: false }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    if (error.error?.code === 'unauthenticated') return { key: true }
    return { key: target.key !== undefined, warning: `${error.what} ${error.fix}` }
  }
}

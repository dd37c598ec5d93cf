import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import type { App } from '../app.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { StartRefused } from '../core/errors.ts'
import { describeTarget, parseTarget } from '../core/redis-target.ts'
import { createLog } from '../observability/log.ts'
import { LoadingProgress } from './loading-progress.ts'
import { PROGRAM } from './program.ts'
import { configSources, settingFlags } from './settings.ts'
import { EXIT, type Terminal } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

export const serve: Verb = {
  name: 'serve',
  summary: 'Run a broker.',
  args: '',
  positionals: [0, 0],
  examples: [
    [`${PROGRAM} serve`, 'on http://127.0.0.1:8123, no keys needed'],
    [`${PROGRAM} serve --data-dir ./data`, 'messages are kept there, and outlive the process'],
    [`${PROGRAM} serve --port 9000 --mailbox-messages-max 100`, 'with other settings'],
    [`${PROGRAM} serve --config broker.yaml`, 'settings from a file'],
    [`MCP_BROKER_ADMIN_KEY=… ${PROGRAM} serve --host 0.0.0.0`, 'reachable from elsewhere, with a key'],
  ],
  notes: [
    'A setting is a flag, a variable (MCP_BROKER_PORT) or a line of the file; the earlier in this list wins. ' +
      `"${PROGRAM} config reference" lists them all, "${PROGRAM} config check" shows what is in force.`,
    'SIGTERM and SIGINT stop it in order: connections are told, then the process exits with 0. A second signal ends it at once.',
  ],
  flags: settingFlags,
  takes_problems: true,
  async run(line, { terminal, env, newEngine }) {
    const { config } = await loadConfig(configSources(line, env))
    const log = createLog({
      level: config.log_level,
      format: config.log_format,
      terminal: terminal.interactive,
      colour: terminal.colour,
    })
    const stop = stopSignal()
    // Loaded here, so that the verbs that call a broker do not wait for the code of one.
    const { engineOf, openApp } = await import('../app.ts')
    const loading = new LoadingProgress(terminal, log)
    let app: App
    try {
      app = openApp(config, log, newEngine ?? (await engineOf(config, log)), loading.progress)
    } catch (error) {
      throw listenError(error, config) ?? startError(error, log)
    }
    log.info(...whereKept(config))
    const started = app.started.catch((error: unknown) => {
      throw startError(error, log)
    })
    const first = await Promise.race([started.then(() => 'started'), stop]).finally(() => loading.end())
    if (first !== 'started') {
      await app.stop()
      // The engine may still load, which would keep the process.
      process.exit(EXIT.ok)
    }
    if (terminal.interactive) welcome(app, config, terminal)
    await stop
    await app.stop()
    return EXIT.ok
  },
}

/** Where messages are kept: the first line of the log. */
function whereKept({ data_dir, journal_sync, redis_url }: Config): [members: object, message: string] {
  if (redis_url !== undefined)
    return [{ stored: 'redis', server: describeTarget(parseTarget(redis_url)) }, 'messages are kept in Redis']
  if (data_dir === undefined)
    return [
      { stored: 'memory' },
      'messages are kept in memory, and are lost with this process: --data-dir DIR keeps them',
    ]
  return [{ stored: 'disk', data_dir: resolve(data_dir), journal_sync }, 'messages are kept on disk']
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process as if it had not been caught. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        if (asked) process.exit(signal === 'SIGINT' ? 130 : 143)
        asked = true
        resolve()
      })
  })
}

/** What a start failed for. It is logged if it is a fault. */
function startError(error: unknown, log: Logger): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof StartRefused)
    return new CliError(error.message, error.fix ?? 'Nothing was changed there.')
  // By its name: its file would load all of the broker.
  if (error.name === 'DefinitionsRefused')
    return new CliError(error.message, `Correct the files; "${PROGRAM} protocols check" reads them as well.`)
  log.fatal({ err: error }, 'not started')
  return new CliError(`The broker could not start: ${error.message}`, 'The log says where that came from.')
}

/** Why the broker cannot listen; undefined if that is not what failed. */
function listenError(error: unknown, { host, port }: Config): CliError | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new CliError(
        `Port ${port} on ${host} is in use.`,
        'Stop what listens there, or choose another with --port (0 takes a free one).',
      )
    case 'EACCES':
      return new CliError(
        `Port ${port} needs more rights than this user has.`,
        'Choose one above 1023 with --port.',
      )
    case 'EADDRNOTAVAIL':
    // What Bun makes of a name that cannot be resolved.
    case 'EINVAL':
    case 'ENOTFOUND':
      return noAddress(host)
    // For such a name Bun may also report that nobody could say, or an earlier error: a file is no terminal.
    case 'ENOTTY':
    case 'EAGAIN':
      return isIP(host) === 0 ? noAddress(host) : undefined
    default:
      return undefined
  }
}

function noAddress(host: string): CliError {
  return new CliError(`This machine has no address ${host}.`, 'Correct --host (MCP_BROKER_HOST).')
}

function welcome({ url }: App, config: Config, terminal: Terminal): void {
  const bold = (text: string) => (terminal.colour ? `\x1b[1m${text}\x1b[0m` : text)
  const at = url === 'http://127.0.0.1:8123' ? '' : ` --url ${url}`
  const key = config.admin_key === undefined ? '' : ' (with the key in MCP_BROKER_API_KEY)'
  terminal.out(
    [
      '',
      `  ${bold('mcp-broker')} listens on ${bold(url)}`,
      '',
      `  MCP        ${url}/mcp`,
      `  WebSocket  ${url.replace('http', 'ws')}/v1/ws`,
      `  HTTP       ${url}/openapi`,
      '',
      `  Try, in another terminal${key}:`,
      `    ${PROGRAM} watch backend${at}`,
      `    ${PROGRAM} send backend "hello"${at}`,
      `    ${PROGRAM} connect claude-code${at}`,
      '',
      `  A message that nobody reads is kept for ${config.ttl_seconds} s (--ttl-seconds); text sent as "message" arrives as "payload".`,
      '',
    ].join('\n'),
  )
}

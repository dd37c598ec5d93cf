import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import type { Config } from '../../src/config/schema.ts'
import { type } from '../cli/harness.ts'
import { startBroker } from '../harness.ts'

/** A block of commands, and the block after it, which shows what they print. */
export interface Step {
  /** The line of the page on which the commands begin. */
  readonly line: number
  readonly commands: readonly string[]
  /** Undefined where the page shows nothing. */
  readonly shown: string | undefined
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm

/** The `sh` blocks of a page, in order; a block without a language after one is what it prints. */
export function stepsOf(page: string): Step[] {
  const blocks = [...page.matchAll(FENCE)].map(([, language, text], i, all) => ({
    language,
    text: text!,
    at: all[i]!.index,
  }))
  return blocks.flatMap(({ language, text, at }, i) => {
    if (language !== 'sh') return []
    const next = blocks[i + 1]
    const line = page.slice(0, at).split('\n').length + 1
    return [{ line, commands: commandsOf(text), shown: next?.language === '' ? next.text : undefined }]
  })
}

/** Lines of a shell, with those that a backslash or a here-document takes in. */
function commandsOf(text: string): string[] {
  const commands: string[] = []
  let open: { command: string; until?: string } | undefined
  for (const line of text.trimEnd().split('\n')) {
    const command: string = open ? `${open.command}\n${line}` : line
    const until: string | undefined = open?.until ?? /<<'(\w+)'/.exec(line)?.[1]
    if (until === undefined ? line.endsWith('\\') : line !== until)
      open = { command, ...(until === undefined ? {} : { until }) }
    else {
      commands.push(command)
      open = undefined
    }
  }
  return commands
}

/** Runs the commands of a page in a folder of its own, against a broker that they start. */
export class Reader implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tutorial-'))
  #app: (App & AsyncDisposable) | undefined

  /** @returns what is printed, as in a terminal without colours */
  async run(command: string): Promise<string> {
    const [program, ...args] = await this.#words(command)
    if (program === 'mcp-broker') return this.#mcpBroker(args)
    if (program === 'curl') return this.#curl(args)
    return this.#shell(command)
  }

  async #mcpBroker(args: readonly string[]): Promise<string> {
    if (args[0] === 'serve') {
      await this.#app?.stop()
      this.#app = await startBroker(settingsOf(args.slice(1).map((arg) => this.#found(arg))))
      return ''
    }
    const screen = { env: { MCP_BROKER_URL: this.#app!.url, NO_COLOR: '1' }, interactive: true }
    const { out, err } = await type(
      args.map((arg) => this.#found(arg)),
      screen,
    )
    return [out, err].filter(Boolean).join('\n').replaceAll(`${this.folder}/`, '')
  }

  /** Files and folders of the page lie in its folder. */
  #found(arg: string): string {
    return /^[\w/-]+(\/|\.yaml)$/.test(arg) ? join(this.folder, arg) : arg
  }

  async #curl(args: readonly string[]): Promise<string> {
    const headers: Record<string, string> = {}
    let [url, body]: [string | undefined, string | undefined] = [undefined, undefined]
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!
      if (arg === '-H') {
        const [name, value] = args[++i]!.split(': ') as [string, string]
        headers[name] = value
      } else if (arg === '-d') body = args[++i]!
      else if (!arg.startsWith('-')) url = arg.replace('http://127.0.0.1:8123', this.#app!.url)
    }
    const response = await fetch(url!, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      ...(body === undefined ? {} : { body }),
    })
    return response.text()
  }

  /** The words of a command as a shell reads them. */
  async #words(command: string): Promise<string[]> {
    const names = ['mcp-broker', 'curl']
    if (!names.some((name) => command.startsWith(`${name} `))) return []
    const [name] = command.split(' ', 1)
    const words = await this.#shell(`${name}() { printf '%s\\0' ${name} "$@"; }\n${command}`)
    return words.split('\0').slice(0, -1)
  }

  async #shell(command: string): Promise<string> {
    const child = Bun.spawn(['bash', '-ec', command], { cwd: this.folder, stderr: 'inherit' })
    const text = await new Response(child.stdout).text()
    if ((await child.exited) !== 0) throw new Error(`${command}\nended with ${child.exitCode}`)
    return text
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app?.stop()
    rmSync(this.folder, { recursive: true })
  }
}

/** `--name value` as settings. */
function settingsOf(args: readonly string[]): Partial<Config> {
  const pairs = args.flatMap((arg, i) =>
    arg.startsWith('--') ? [[arg.slice(2).replaceAll('-', '_'), args[i + 1]]] : [],
  )
  return Object.fromEntries(pairs) as Partial<Config>
}

/** Whether a text is what a page shows: white space aside, and with `…` for anything. */
export function isShown(shown: string, printed: string): boolean {
  const parts = shown
    .replaceAll(/\s/g, '')
    .split('…')
    .map((part) => RegExp.escape(part))
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`).test(printed.replaceAll(/\s/g, ''))
}

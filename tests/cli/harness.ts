import { packageManager } from '../../package.json'
import { runCli } from '../../src/cli/cli.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Options {
  readonly env?: Record<string, string>
  readonly stdin?: string
  /** The directory to start in. */
  readonly cwd?: string
}

/** The environment of this process without what would set or colour something, and then `env`. */
export function environment(env: Record<string, string> = {}): Record<string, string> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(MCP_BROKER_|NO_COLOR$|FORCE_COLOR$|TERM$)/.test(name),
  )
  return { ...(Object.fromEntries(own) as Record<string, string>), TERM: 'xterm', ...env }
}

/** What the program says to type for itself in a clone. */
export const TYPED = `npx -y ${packageManager} src/main.ts`

export const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** Starts the real program with its output in pipes. */
export function start(
  args: readonly string[],
  { env, stdin, cwd }: Options = {},
  program = [process.execPath, MAIN],
) {
  return Bun.spawn([...program, ...args], {
    env: environment(env),
    ...(cwd === undefined ? {} : { cwd }),
    stdin: stdin === undefined ? 'ignore' : new TextEncoder().encode(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

/** Runs the real program to its end. */
export async function run(args: readonly string[], options: Options = {}, program?: string[]): Promise<Ran> {
  const child = start(args, options, program)
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, out, err }
}

export interface Screen {
  /** Standard output is a terminal that takes colours. */
  readonly interactive?: boolean
  readonly env?: Record<string, string>
}

/** A command line that runs in this process; its output so far can be looked at while it does. */
export interface Running {
  readonly out: string[]
  readonly err: string[]
  readonly done: Promise<number>
}

/** Carries out a command line in this process, which is much quicker than a process of its own. */
export function begin(args: readonly string[], { interactive = false, env = {} }: Screen = {}): Running {
  const out: string[] = []
  const err: string[] = []
  const terminal = {
    interactive,
    colour: interactive && env.NO_COLOR === undefined,
    width: 100,
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    moving: () => undefined,
  }
  return { out, err, done: runCli(args, { terminal, env }) }
}

/** {@link begin}, to its end. */
export async function type(args: readonly string[], screen: Screen = {}): Promise<Ran> {
  const { out, err, done } = begin(args, screen)
  const code = await done
  return { code, out: out.join('\n'), err: err.join('\n') }
}

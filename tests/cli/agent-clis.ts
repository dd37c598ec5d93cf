import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Ran, run } from './harness.ts'

/**
 * The agents' own command lines, from npm. They are no dependencies of the repository: together they take
 * 1.4 GB, and Bun's cache of packages keeps them between runs.
 */
const PACKAGES = {
  '@anthropic-ai/claude-code': '2.1.331',
  '@google/gemini-cli': '0.61.0',
  '@openai/codex': '0.169.0',
  '@qwen-code/qwen-code': '0.24.4',
  'opencode-ai': '1.18.33',
}

/** Nothing is to leave the machine: no figures, no updates, no lists of models. */
const QUIET = {
  CI: '1',
  NO_COLOR: '1',
  TERM: 'dumb',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  GEMINI_TELEMETRY_ENABLED: 'false',
  QWEN_TELEMETRY_ENABLED: 'false',
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
}

export interface AgentClis extends Disposable {
  /** A user's home with a project in it, where no program has been before. */
  home(): Home
}

/** Installs all of them, at the versions named here. */
export async function installAgentClis(): Promise<AgentClis> {
  const dir = mkdtempSync(join(tmpdir(), 'agent-clis-'))
  // Its script only puts the binary of this platform into its place.
  const manifest = { private: true, dependencies: PACKAGES, trustedDependencies: ['opencode-ai'] }
  writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest))
  const installed = await run(['install'], { cwd: dir }, [process.execPath])
  if (installed.code !== 0) throw new Error(installed.err)
  return {
    home: () => new Home(mkdtempSync(join(dir, 'home-')), join(dir, 'node_modules/.bin')),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  }
}

export class Home {
  readonly project: string

  constructor(
    private readonly dir: string,
    private readonly programs: string,
  ) {
    this.project = join(dir, 'project')
    mkdirSync(this.project)
    mkdirSync(join(dir, '.codex'))
  }

  /** Runs a line of a shell in the project; both outputs are in `out`. */
  async sh(line: string, env: Record<string, string> = {}): Promise<Ran> {
    const all = {
      ...QUIET,
      PATH: `${this.programs}:${process.env.PATH}`,
      HOME: this.dir,
      ...env,
    }
    const words = Object.entries(all).map(([name, value]) => `${name}=${value}`)
    return run(['-i', ...words, 'sh', '-c', `(${line}) 2>&1`], { cwd: this.project, stdin: '' }, ['env'])
  }

  /** Writes a file. @param path from the project, or from the home where it begins with `~/` */
  write(path: string, text: string): void {
    const file = path.startsWith('~/') ? join(this.dir, path.slice(2)) : join(this.project, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  /** The files that hold a text, whoever wrote them. */
  filesWith(text: string): string[] {
    const files = readdirSync(this.dir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    return files
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((file) => readFileSync(file, 'latin1').includes(text))
  }
}

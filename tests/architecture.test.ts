import { describe, expect, test } from 'bun:test'
import { Glob } from 'bun'
import manifest from '../package.json' with { type: 'json' }

/** Files by their path in `src`, with their text. */
type Tree = ReadonlyMap<string, string>

/** The house from the ground up. A file imports what lies on a lower floor, or its own part of its floor. */
const FLOORS = [
  ['core'],
  ['engine'],
  ['auth'],
  ['broker', 'gateway'],
  ['transports', 'dashboard'],
  ['app.ts'],
  ['cli'],
  ['main.ts'],
]
const LINES_MAX = 400
const ENTRY = 'main.ts'
const SEES_GATEWAY = /^(gateway\/|dashboard\/|transports\/mcp\/|app\.ts$)/
/** What would make the core impure: time, chance, the machine, the console. */
const IMPURE =
  /\b(Date\.now|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|Math\.random|crypto\.|console\.|process\.|Bun\.|fetch\()/
const VAGUE = /Manager|Service|Helper|Util/
/** How a file names the worker that it starts, which is an import as well. */
const STARTS_WORKER = /\bnew URL\('(\.[^']*\bworker\.ts)', import\.meta\.url\)/g
/**
 * Static and re-exporting imports with or without `type`, side effects, dynamic or type-position
 * `import('…')`, and workers.
 */
const IMPORTS = [
  /^(?:import|export)\s[^'";]*?\bfrom\s+'([^']+)'/gm,
  /^import\s+'([^']+)'/gm,
  /\bimport\(\s*'([^']+)'/g,
  STARTS_WORKER,
]
const UNREADABLE_IMPORT =
  /\bimport\(\s*[^'\s]|\brequire\(|^(?:import|export)\s[^'";]*?\bfrom\s+"|^import\s+"/m

/** All that is wrong with a tree, one sentence each. */
function violations(tree: Tree): string[] {
  const imports = new Map([...tree].map(([path, text]) => [path, importsOf(path, text)]))
  return [
    ...[...tree].flatMap(([path, text]) => fileViolations(path, text)),
    ...[...imports].flatMap(([path, targets]) =>
      targets.flatMap((target) => arrowViolation(path, target, tree)),
    ),
    ...cycles(imports),
    ...deadFiles(imports),
  ]
}

/** What a file imports: paths in `src`, or package names. */
function importsOf(path: string, text: string): string[] {
  const specifiers = IMPORTS.flatMap((form) => [...text.matchAll(form)].map((match) => match[1]!))
  return [...new Set(specifiers)].map((specifier) =>
    specifier.startsWith('.')
      ? decodeURIComponent(new URL(specifier, `file:///src/${path}`).pathname).replace('/src/', '')
      : specifier,
  )
}

function fileViolations(path: string, text: string): string[] {
  const found: string[] = []
  const lines = text.trimEnd().split('\n').length
  if (path.endsWith('.ts') && lines > LINES_MAX)
    found.push(`${path} has ${lines} lines: it has a second subject`)
  if (VAGUE.test(titled(path))) found.push(`${path}: the name says nothing`)
  for (const [, name] of text.matchAll(/^(?:export )?(?:abstract )?(?:class|interface|type) (\w+)/gm))
    if (VAGUE.test(name!)) found.push(`${path}: the name ${name} says nothing`)
  if (/\bsetInterval\b/.test(text) && path !== 'broker/housekeeping.ts')
    found.push(`${path}: a periodic timer of its own`)
  if (UNREADABLE_IMPORT.test(text)) found.push(`${path}: an import that this test cannot read`)
  if (path.startsWith('core/') && IMPURE.test(text)) found.push(`${path}: the core is pure`)
  return found
}

/** A path with each of its words capitalised, so that `retry-helper.ts` is seen as well as `RetryHelper.ts`. */
function titled(path: string): string {
  return path.replace(/(^|[^a-zA-Z])([a-z])/g, (_, before, letter) => `${before}${letter.toUpperCase()}`)
}

function arrowViolation(from: string, to: string, tree: Tree): string[] {
  const wrong = (why: string) => [`${from} imports ${to}: ${why}`]
  const [part, target] = [partOf(from), partOf(to)]
  if (!tree.has(to)) {
    if (part === 'core' && /^(node:|bun)/.test(to)) return wrong('the core does no I/O')
    return to.includes('/src/') || to.endsWith('.ts') ? wrong('there is no such file') : []
  }
  if (part === target)
    return part === 'transports' && doorOf(to) && doorOf(from) !== doorOf(to) ? wrong('doors keep apart') : []
  if (part === 'observability') return wrong('observability is a leaf')
  if (part === 'config') return target === 'core' ? [] : wrong('config imports core alone')
  if (part === 'core') return wrong('the core imports nothing but the core')
  if (target === 'observability') return []
  if (target === 'config')
    return floorOf(part) > floorOf('auth') ? [] : wrong('it receives its slice of the settings')
  if (floorOf(part) === -1 || floorOf(target) === -1) return wrong('it is on no floor of the house')
  if (target === 'gateway' && !SEES_GATEWAY.test(from))
    return wrong('only mcp, dashboard and app see the gateway')
  if (part === 'dashboard' && target === 'transports') return doorOf(to) ? wrong('doors keep apart') : []
  return floorOf(part) > floorOf(target) ? [] : wrong('imports point down only')
}

/** The part of the house that a path belongs to. */
function partOf(path: string): string {
  return path.split('/')[0]!
}

/** The door that a path under `transports` belongs to; undefined for what all doors share. */
function doorOf(path: string): string | undefined {
  const [, door, file] = path.split('/')
  return file === undefined ? undefined : door
}

function floorOf(part: string): number {
  return FLOORS.findIndex((floor) => floor.includes(part))
}

function cycles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) found.push(`a cycle: ${[...trail.slice(at), path].join(' → ')}`)
    if (at !== -1 || done.has(path)) return
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of imports.keys()) visit(path, [])
  return found
}

function deadFiles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const reached = new Set<string>()
  const waiting = [ENTRY]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    waiting.push(...(imports.get(path) ?? []))
  }
  return (
    [...imports.keys()]
      // What only declares is there for the compiler.
      .filter((path) => !reached.has(path) && !path.endsWith('.d.ts'))
      .map((path) => `${path} is dead: nothing imports it`)
  )
}

const SRC = new URL('../src/', import.meta.url).pathname

async function house(): Promise<Tree> {
  const tree = new Map<string, string>()
  for await (const path of new Glob('**/*').scan({ cwd: SRC }))
    if (!path.endsWith('.md')) tree.set(path, await Bun.file(`${SRC}${path}`).text())
  return tree
}

test('the house stands as it was drawn', async () => {
  const tree = await house()
  expect(tree.size).toBeGreaterThan(30)
  expect(violations(tree)).toEqual([])
})

test('the build has each worker as an entry point, beside the chunk that starts it', async () => {
  const words = manifest.scripts.build.split(' ')
  const started = [...(await house())].flatMap(([path, text]) =>
    [...text.matchAll(STARTS_WORKER)].map(([, url]) => ({
      url,
      file: new URL(url!, `file:///src/${path}`).pathname.slice(1),
    })),
  )
  const entries = words.filter((word) => word.startsWith('src/') && word !== 'src/main.ts')
  expect(started.map(({ file }) => file)).toEqual(entries)
  // All chunks of the binary lie in one folder, and --root puts the worker there.
  for (const { url, file } of started) {
    expect(url).toBe('./worker.ts')
    expect(words).toContain(`--root=${file.replace('/worker.ts', '')}`)
  }
})

describe('a crooked house is found out', () => {
  /** A small house that stands, with some files changed; main and app import them all unless told otherwise. */
  function found(changes: Record<string, string>, main?: string): string[] {
    const files = new Map(Object.entries({ 'core/message.ts': '', 'broker/broker.ts': '', ...changes }))
    const importing = (which: (path: string) => boolean) =>
      [...files.keys()].filter(which).map((path) => `import './${path}'`)
    const gateway = importing((path) => path.startsWith('gateway/')).join('\n')
    const rest = importing((path) => !path.startsWith('gateway/')).join('\n')
    return violations(
      new Map([['app.ts', gateway], ...files, ['main.ts', main ?? `${rest}\nimport './app.ts'`]]),
    )
  }

  test('a straight one is not', () => {
    expect(
      found({
        'app.ts': `import { Broker } from './broker/broker.ts'\nimport { door } from './transports/ws/ws.ts'`,
        'broker/broker.ts': `import type { Message } from '../core/message.ts'\nimport '../observability/log.ts'`,
        'broker/housekeeping.ts': 'setInterval(tick, 100)',
        'config/schema.ts': `import {\n  DEFAULT_LIMITS,\n} from '../core/message.ts'`,
        'dashboard/dashboard.ts': `import '../transports/door.ts'\nimport '../gateway/upstream.ts'`,
        'gateway/upstream.ts': `import Ajv from 'ajv'`,
        'observability/log.ts': `import { pino } from 'pino'`,
        'transports/door.ts': `import type { Config } from '../config/schema.ts'`,
        'transports/ws/ws.ts': `import '../door.ts'\nimport './frame.ts'`,
        'transports/ws/frame.ts': '',
      }),
    ).toEqual([])
  })

  test.each([
    ['up', 'core/a.ts', `import { b } from '../broker/broker.ts'`, 'nothing but the core'],
    ['up by type', 'engine/a.ts', `import type { B } from '../broker/broker.ts'`, 'point down only'],
    [
      'up in several lines',
      'engine/a.ts',
      `import {\n  type B,\n  c,\n} from '../broker/broker.ts'`,
      'point down only',
    ],
    ['up by re-export', 'auth/a.ts', `export * from '../broker/broker.ts'`, 'point down only'],
    ['up by side effect', 'auth/a.ts', `import '../broker/broker.ts'`, 'point down only'],
    ['up when run', 'engine/a.ts', `const b = await import('../broker/broker.ts')`, 'point down only'],
    ['up in a type', 'engine/a.ts', `let b: import('../broker/broker.ts').Broker`, 'point down only'],
    ['from config', 'config/a.ts', `import '../broker/broker.ts'`, 'core alone'],
    ['from a leaf', 'observability/a.ts', `import '../core/message.ts'`, 'a leaf'],
    ['to no floor', 'broker/a.ts', `import '../attic/a.ts'`, 'no floor', { 'attic/a.ts': '' }],
    ['to nothing', 'broker/a.ts', `import './gone.ts'`, 'no such file'],
    ['across', 'broker/a.ts', `import '../gateway/g.ts'`, 'see the gateway', { 'gateway/g.ts': '' }],
    ['across, back', 'gateway/a.ts', `import '../broker/broker.ts'`, 'point down only'],
    [
      'to the gateway',
      'transports/ws/a.ts',
      `import '../../gateway/g.ts'`,
      'see the gateway',
      { 'gateway/g.ts': '' },
    ],
    [
      'door to door',
      'transports/ws/a.ts',
      `import '../sse/s.ts'`,
      'keep apart',
      { 'transports/sse/s.ts': '' },
    ],
    ['shared to door', 'transports/a.ts', `import './sse/s.ts'`, 'keep apart', { 'transports/sse/s.ts': '' }],
    [
      'page to door',
      'dashboard/a.ts',
      `import '../transports/sse/s.ts'`,
      'keep apart',
      { 'transports/sse/s.ts': '' },
    ],
    ['settings', 'engine/a.ts', `import '../config/c.ts'`, 'slice of the settings', { 'config/c.ts': '' }],
    ['I/O', 'core/a.ts', `import { readFile } from 'node:fs'`, 'no I/O'],
  ] as [string, string, string, string, Record<string, string>?][])(
    'a wrong arrow: %s',
    (_, path, text, why, others: Record<string, string> = {}) => {
      const wrong = found({ [path]: text, ...others }).filter((one) => one.startsWith(`${path} imports `))
      expect(wrong).toHaveLength(1)
      expect(wrong[0]).toContain(why)
    },
  )

  test('a cycle', () => {
    const wrong = found({
      'core/a.ts': `import type { B } from './b.ts'`,
      'core/b.ts': `import './c.ts'`,
      'core/c.ts': `import './a.ts'`,
    })
    expect(wrong).toEqual(['a cycle: core/a.ts → core/b.ts → core/c.ts → core/a.ts'])
  })

  test('a worker is alive if it is started, and its arrow counts', () => {
    const starts = (url: string) => `const entry = new URL('${url}', import.meta.url).href`
    const house = (url: string) => ({ 'broker/broker.ts': starts(url), 'broker/odd/worker.ts': '' })
    const main = `import './app.ts'\nimport './core/message.ts'\nimport './broker/broker.ts'`
    expect(found(house('./odd/worker.ts'), main)).toEqual([])
    expect(found(house('./gone/worker.ts'), main)).toEqual([
      'broker/broker.ts imports broker/gone/worker.ts: there is no such file',
      'broker/odd/worker.ts is dead: nothing imports it',
    ])
    expect(found({ 'core/a.ts': starts('../broker/worker.ts'), 'broker/worker.ts': '' })).toEqual([
      'core/a.ts imports broker/worker.ts: the core imports nothing but the core',
    ])
  })

  test('a dead file, and a dead page', () => {
    const wrong = found(
      { 'broker/old.ts': '', 'dashboard/page.html': '' },
      `import './app.ts'\nimport './core/message.ts'\nimport './broker/broker.ts'`,
    )
    expect(wrong).toEqual(
      ['broker/old.ts', 'dashboard/page.html'].map((path) => `${path} is dead: nothing imports it`),
    )
  })

  test.each([
    ['core/a.ts', 'x\n'.repeat(401), 'core/a.ts has 401 lines: it has a second subject'],
    ['broker/session-manager.ts', '', 'broker/session-manager.ts: the name says nothing'],
    ['broker/utils.ts', '', 'broker/utils.ts: the name says nothing'],
    ['broker/a.ts', 'export class MessageService {}', 'broker/a.ts: the name MessageService says nothing'],
    ['broker/a.ts', 'class RetryHelper {}', 'broker/a.ts: the name RetryHelper says nothing'],
    ['broker/a.ts', 'this.timer = setInterval(tick, 5)', 'broker/a.ts: a periodic timer of its own'],
    ['broker/a.ts', 'await import(name)', 'broker/a.ts: an import that this test cannot read'],
    ['broker/a.ts', `require('x')`, 'broker/a.ts: an import that this test cannot read'],
    ['core/a.ts', 'const now = Date.now()', 'core/a.ts: the core is pure'],
  ])('%s: %p', (path, text, wrong) => {
    expect(found({ [path]: text })).toEqual([wrong])
  })

  test('400 lines are not too many', () => {
    expect(found({ 'core/a.ts': 'x\n'.repeat(400) })).toEqual([])
  })
})

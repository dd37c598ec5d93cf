import { describe, expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import manifest from '../../package.json' with { type: 'json' }
import { COMMANDS } from '../../src/broker/commands/index.ts'
import { PAGES } from '../../src/cli/pages.ts'
import { ERRORS } from '../../src/core/errors.ts'
import { run, TYPED, type } from './harness.ts'

const VERBS = [
  'serve',
  'send',
  'inbox',
  'watch',
  'sessions',
  'status',
  'protocols',
  'call',
  'connect',
  'backup',
  'restore',
  'data',
  'config',
  'docs',
]

describe('help', () => {
  test('the first thing it shows is what to type', async () => {
    const { code, out } = await type(['--help'])
    expect(code).toBe(0)
    expect(out.split('\n').slice(2, 5)).toEqual([
      'Try',
      `  ${TYPED} serve`,
      '      run a broker on http://127.0.0.1:8123',
    ])
    for (const verb of VERBS) expect(out).toMatch(new RegExp(`^  ${verb} `, 'm'))
    expect(out).toContain('Exit codes: 0 done, 1 failed, 2 the command line is wrong.')
  })

  test.each(VERBS)('%s: examples, then every flag; --help, -h and help are one', async (verb) => {
    const { code, out } = await type([verb, '--help'])
    expect(code).toBe(0)
    expect(out).toContain(`Examples\n  `)
    expect(out.indexOf('Examples')).toBeLessThan(out.indexOf('Flags'))
    expect(out).toContain(`  ${TYPED} ${verb}`)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    expect((await type([verb, '-h'])).out).toBe(out)
    expect((await type(['help', verb])).out).toBe(out)
  })

  test('nothing at all is a wrong line, and gets the same help', async () => {
    const { code, out, err } = await type([])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toBe((await type(['help'])).out)
  })

  test.each([
    [['sned'], 'There is no verb "sned".\n  Did you mean send?'],
    [['help', 'wach'], 'Did you mean watch?'],
    [['xyzzy'], `See "${TYPED} --help".`],
    [['--verbose'], 'There is no verb "--verbose".'],
    [['status', '--help=no', '-x'], 'There is no flag -x here.'],
    [['config', 'chek'], 'Did you mean "config check"?'],
    [['config', 'x'], 'There are config check and config reference.'],
    [['config', 'reference', '--format', 'xml'], 'There is no format "xml".'],
    [['docs', 'error'], 'Did you mean errors?'],
    [['docs', 'x'], 'There are commands, doors, ready-protocols, configuration, errors.'],
  ])('a wrong line: %j', async (args, expected) => {
    const { code, out, err } = await type(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(expected)
  })

  test('the version', async () => {
    for (const word of ['--version', '-V'])
      expect(await type([word])).toEqual({ code: 0, out: manifest.version, err: '' })
  })
})

describe('config check', () => {
  const key = 'a-very-secret-key'
  const env = { MCP_BROKER_ADMIN_KEY: key, MCP_BROKER_ALLOWED_HOSTS: 'a,b' }

  test('what is in force and where it came from, secrets masked', async () => {
    const { code, out } = await type(['config', 'check', '--port', '9000'], { env })
    expect(code).toBe(0)
    for (const line of [
      'host\t127.0.0.1\tdefault',
      'port\t9000\t--port',
      'admin_key\t(set)\tMCP_BROKER_ADMIN_KEY',
      'allowed_hosts\ta,b\tMCP_BROKER_ALLOWED_HOSTS',
      'allowed_origins\tnone\tdefault',
    ])
      expect(out.split('\n')).toContain(line)
    expect(out).not.toContain(key)
  })

  test('for programs, and in a terminal', async () => {
    const json = JSON.parse((await type(['config', 'check', '--json'], { env })).out)
    expect(json.admin_key).toEqual({ value: '(set)', origin: 'MCP_BROKER_ADMIN_KEY' })
    expect(json.port).toEqual({ value: 8123, origin: 'default' })
    expect((await type(['config', 'check'], { interactive: true })).out).toMatch(/SETTING +VALUE +FROM/)
    expect((await type(['config', 'check', '--json'])).out).toContain('"admin_key":{"value":null')
  })

  test('everything that is wrong; 1 for the settings, 2 for the line', async () => {
    const settings = await type(['config', 'check', '--port', 'x', '--log-level', 'loud'])
    expect(settings).toEqual({
      code: 1,
      out: '',
      err: [
        'error: --port is the text "x".',
        '  It must be a whole number from 0 to 65535.',
        'error: --log-level is "loud".',
        '  It must be one of trace, debug, info, warn, error, silent.',
      ].join('\n'),
    })
    const line = await type(['config', 'check', '--prt', '1', '--log-level', 'loud'])
    expect(line.code).toBe(2)
    expect(line.err).toContain('There is no flag --prt here.\n  Did you mean --port?')
    expect(line.err).toContain('--log-level is "loud".')
    expect(JSON.parse((await type(['config', 'check', '--json', '--port', 'x'])).err).errors).toHaveLength(1)
  })

  test.each([
    [['--insecure'], true],
    [['--insecure=true'], true],
    [['--no-insecure'], false],
    [['--insecure=no'], false],
  ])('a switch: %j', async (args, expected) => {
    const { out } = await type(['config', 'check', '--json', ...args])
    expect(JSON.parse(out).insecure).toEqual({ value: expected, origin: '--insecure' })
  })
})

describe('reference pages', () => {
  test.each(Object.keys(PAGES))('docs/%s.md is what "bun src/main.ts docs" prints', async (page) => {
    const file = Bun.file(new URL(`../../docs/${page}.md`, import.meta.url))
    expect(await file.text()).toBe(`${(await type(['docs', page])).out}\n`)
  })

  test('every command with every parameter, and every error, is on its page', () => {
    for (const { name, input, http } of COMMANDS) {
      const section = PAGES.commands!().split(`\n## ${name}\n`)[1]!.split('\n## ')[0]!
      expect(section).toContain(`\`${http.method} ${http.path}\``)
      for (const parameter of Object.keys(input.properties)) expect(section).toContain(`| \`${parameter}\` |`)
    }
    for (const code of Object.keys(ERRORS)) expect(PAGES.errors!()).toContain(`| \`${code}\` |`)
  })

  test('config reference is the same page', async () => {
    expect((await type(['config', 'reference'])).out).toBe((await type(['docs', 'configuration'])).out)
  })
})

test('the real program: exit codes, and nothing on the wrong stream', async () => {
  const [help, wrong] = await Promise.all([run(['--help']), run(['sned'])])
  expect(help).toMatchObject({ code: 0, err: '' })
  expect(wrong).toMatchObject({
    code: 2,
    out: '',
    err: 'error: There is no verb "sned".\n  Did you mean send?\n',
  })
})

test.each([
  ['the clone', new URL('../..', import.meta.url).pathname],
  ['elsewhere', tmpdir()],
])('the program that a hint names runs where it was printed: %s', async (_, cwd) => {
  const { err } = await run(['xyzzy'], { cwd })
  const program = /See "(.+) --help"/.exec(err)?.[1]
  expect(await run(['-c', `${program} --version`], { cwd }, ['sh'])).toMatchObject({
    code: 0,
    out: `${manifest.version}\n`,
  })
})

import { describe, expect, test } from 'bun:test'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError, loadConfig, type Sources } from '../../src/config/load.ts'

const dir = mkdtempSync(join(tmpdir(), 'config-'))

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

function load(env: Sources['env'] = {}, flags: Record<string, string> = {}) {
  return loadConfig({ env, flags: new Map(Object.entries(flags)) })
}

/** What is wrong with the settings, as one text. */
async function problems(env: Sources['env'], flags: Record<string, string> = {}): Promise<string> {
  const error = await load(env, flags).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ConfigError)) throw new Error(`no ConfigError but ${error}`)
  return error.message
}

describe('where settings come from', () => {
  test('defaults alone', async () => {
    const { config, origins } = await load()
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8123, insecure: false, allowed_hosts: [] })
    expect(config.admin_key).toBeUndefined()
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']))
  })

  test('file over default, variable over file, flag over variable', async () => {
    const path = file('order.yaml', 'port: 1001\nmailbox_messages_max: 5\nlog_level: warn\nclients_max: 9\n')
    const { config, origins } = await load(
      { MCP_BROKER_CONFIG: path, MCP_BROKER_PORT: '1002', MCP_BROKER_LOG_LEVEL: 'debug' },
      { port: '1003' },
    )
    expect(config).toMatchObject({ port: 1003, log_level: 'debug', mailbox_messages_max: 5, clients_max: 9 })
    expect(origins).toMatchObject({
      port: '--port',
      log_level: 'MCP_BROKER_LOG_LEVEL',
      mailbox_messages_max: path,
      ttl_seconds: 'default',
    })
  })

  test('--config wins over MCP_BROKER_CONFIG', async () => {
    const wanted = file('wanted.json', '{"port": 1}')
    expect((await load({ MCP_BROKER_CONFIG: '/nowhere' }, { config: wanted })).config.port).toBe(1)
  })

  test.each([
    ['yaml', 'settings.yml', '$schema: x.json\nallowed_hosts: [a, b]\ninsecure: true\nlease_seconds: 1.5\n'],
    [
      'json',
      'settings.JSON',
      '{"$schema":"x.json","allowed_hosts":["a","b"],"insecure":true,"lease_seconds":1.5}',
    ],
  ])('a file of %s', async (_, name, text) => {
    const { config } = await load({}, { config: file(name, text) })
    expect(config).toMatchObject({ allowed_hosts: ['a', 'b'], insecure: true, lease_seconds: 1.5 })
  })

  test('an empty file sets nothing', async () => {
    expect((await load({}, { config: file('empty.yaml', '# nothing yet\n') })).config.port).toBe(8123)
  })

  test.each([
    ['INSECURE', 'true', { insecure: true }],
    ['INSECURE', 'Yes', { insecure: true }],
    ['INSECURE', '0', { insecure: false }],
    ['ALLOWED_HOSTS', ' a.example , b.example,', { allowed_hosts: ['a.example', 'b.example'] }],
    ['ALLOWED_HOSTS', '', { allowed_hosts: [] }],
    ['LEASE_SECONDS', '.5', { lease_seconds: 0.5 }],
    ['STORED_BYTES_MAX', '1e9', { stored_bytes_max: 1_000_000_000 }],
    ['MAILBOX_OVERFLOW', 'drop_oldest', { mailbox_overflow: 'drop_oldest' }],
    ['DATA_DIR', './data', { data_dir: './data', journal_sync: 'normal' }],
  ])('MCP_BROKER_%s=%s', async (name, text, expected) => {
    expect((await load({ [`MCP_BROKER_${name}`]: text })).config).toMatchObject(expected)
  })

  test('variables of the calling verbs, and the links of Kubernetes, are no settings', async () => {
    const { config } = await load({
      MCP_BROKER_URL: 'http://x',
      MCP_BROKER_API_KEY: 'k',
      MCP_BROKER_SERVICE_HOST: '10.0.0.1',
      MCP_BROKER_SERVICE_PORT: '8123',
      MCP_BROKER_SERVICE_PORT_HTTP: '8123',
      MCP_BROKER_PORT: 'tcp://10.0.0.1:8123',
      MCP_BROKER_PORT_8123_TCP: 'tcp://10.0.0.1:8123',
      MCP_BROKER_PORT_8123_TCP_ADDR: '10.0.0.1',
      OTHER_PORT: '5',
    })
    expect(config.port).toBe(8123)
  })
})

describe('what is wrong is said', () => {
  test.each([
    ['port', 'abc', 'MCP_BROKER_PORT is the text "abc". It must be a whole number from 0 to 65535.'],
    ['port', '0x50', 'is the text "0x50"'],
    ['port', '', 'is the text ""'],
    ['port', '65536', 'MCP_BROKER_PORT is 65536. It must be a whole number from 0 to 65535.'],
    ['port', '1.5', 'is 1.5'],
    ['lease_seconds', '0', 'must be a number above 0'],
    ['lease_seconds', 'Infinity', 'must be a number above 0'],
    ['lease_seconds', '1e999', 'must be a number above 0'],
    ['insecure', 'maybe', 'is the text "maybe". It must be true or false.'],
    ['mailbox_overflow', 'drop', 'is "drop". It must be one of reject, drop_oldest.'],
    ['host', '', 'MCP_BROKER_HOST is "". It must be a text.'],
    ['data_dir', '', 'MCP_BROKER_DATA_DIR is "". It must be a text.'],
    ['journal_sync', 'always', 'is "always". It must be one of normal, full.'],
    ['mailbox_messages_max', '0', 'must be a whole number, at least 1'],
  ])('%s = "%s"', async (key, text, expected) => {
    expect(await problems({ [`MCP_BROKER_${key.toUpperCase()}`]: text })).toContain(expected)
  })

  test('a secret is never repeated', async () => {
    const message = await problems({ MCP_BROKER_ADMIN_KEY: 'too-short' })
    expect(message).toContain('MCP_BROKER_ADMIN_KEY is a text of 9 characters')
    expect(message).toContain('at least 16 characters')
    expect(message).not.toContain('too-short')
  })

  test('a wrong value of a file names the file', async () => {
    const path = file('wrong.yaml', 'port: "8123"\nallowed_hosts: a\ninsecure: yes\n')
    expect(await problems({}, { config: path })).toBe(
      [
        `port (in ${path}) is the text "8123". It must be a whole number from 0 to 65535.`,
        `insecure (in ${path}) is the text "yes". It must be true or false.`,
        `allowed_hosts (in ${path}) is the text "a". It must be a list of texts (separated by commas in a variable or flag).`,
      ].join('\n'),
    )
  })

  test('an unknown name is told with the nearest known, whatever its source', async () => {
    const path = file('unknown.yaml', 'prt: 1\ncolour: red\n')
    const message = await problems(
      { MCP_BROKER_CONFIG: path, MCP_BROKER_MAILBOX_MESSAGE_MAX: '1' },
      { 'tll-seconds': '1' },
    )
    expect(message).toContain(`prt in ${path} is not a setting. Did you mean port?`)
    expect(message).toContain(`colour in ${path} is not a setting. "serve --help" lists every setting.`)
    expect(message).toContain('The variable MCP_BROKER_MAILBOX_MESSAGE_MAX is not a setting.')
    expect(message).toContain('MCP_BROKER_MAILBOX_MESSAGES_MAX')
    expect(message).toContain('The flag --tll-seconds is not a setting. Did you mean --ttl-seconds?')
  })

  test('a name in other letters is not taken for the setting', async () => {
    expect(await problems({ MCP_BROKER_port: '1' })).toContain('Did you mean MCP_BROKER_PORT?')
  })

  test('a URL of Redis is looked at, and never shown', async () => {
    const of = (redis_url: string, more = {}) => problems({ MCP_BROKER_REDIS_URL: redis_url, ...more })
    expect(await of('http://me:secret@h')).toContain('must begin with redis://')
    expect(await of('redis+cluster://me:secret@h/1')).toContain('has no numbered databases')
    for (const url of ['http://me:secret@h', 'redis+cluster://me:secret@h/1', 'redis://me:secret/@h'])
      expect(await of(url)).not.toContain('secret')
  })

  test('everything at once', async () => {
    const message = await problems({ MCP_BROKER_PORT: 'x', MCP_BROKER_HOSTT: 'x' }, { 'log-level': 'loud' })
    expect(message.split('\n')).toHaveLength(3)
  })

  test.each([
    ['missing', '/nowhere/x.yaml', undefined, 'does not exist'],
    ['a directory', dir, undefined, 'is a directory'],
    ['broken YAML', 'broken.yaml', 'port: [1', 'cannot be parsed'],
    ['a key twice', 'twice.yaml', 'port: 1\nport: 2\n', 'cannot be parsed'],
    ['broken JSON', 'broken.json', '{"port": 1,}', 'cannot be parsed'],
    ['a list', 'list.yaml', '- port\n', 'holds a list, not settings'],
    ['a text', 'text.json', '"port"', 'holds a string, not settings'],
  ])('a file that is %s', async (_, name, text, expected) => {
    const path = text === undefined ? name : file(name, text)
    const message = await problems({}, { config: path })
    expect(message).toContain(`The settings file ${path} ${expected}`)
  })

  test.each([
    [
      { 'stale-seconds': '1800' },
      'stale_seconds is 1800 (--stale-seconds), but disconnected_seconds is 1800 (default).',
    ],
    [
      { 'ttl-seconds-max': '10' },
      'ttl_seconds is 300 (default), but ttl_seconds_max is 10 (--ttl-seconds-max).',
    ],
    [{ 'stored-bytes-max': '10' }, 'but stored_bytes_max is 10 (--stored-bytes-max).'],
    [{ 'journal-sync': 'full' }, 'journal_sync is full (--journal-sync), but there is no data_dir.'],
    [{ host: '0.0.0.0' }, 'Listening on 0.0.0.0 without keys would let anybody who reaches it'],
  ])('settings that contradict each other: %o', async (flags, expected) => {
    expect(await problems({}, flags as Record<string, string>)).toContain(expected)
  })

  test('a directory may be synced fully', async () => {
    const { config } = await load({ MCP_BROKER_DATA_DIR: '/x' }, { 'journal-sync': 'full' })
    expect(config).toMatchObject({ data_dir: '/x', journal_sync: 'full' })
  })

  test('beyond loopback with a key, or when it is meant', async () => {
    const key = { MCP_BROKER_ADMIN_KEY: '0123456789abcdef' }
    expect((await load(key, { host: '0.0.0.0' })).config.host).toBe('0.0.0.0')
    expect((await load({}, { host: '::', insecure: 'true' })).config.insecure).toBe(true)
  })
})

import { describe, expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { configReference } from '../../src/config/reference.ts'
import { ConfigSchema } from '../../src/config/schema.ts'

const keys = Object.keys(ConfigSchema.properties)

describe('the reference of settings', () => {
  test('the committed page is what the schema gives: bun src/main.ts docs configuration > docs/configuration.md', async () => {
    const page = await Bun.file(new URL('../../docs/configuration.md', import.meta.url)).text()
    expect(page).toBe(configReference('markdown'))
  })

  test.each(keys)('the page has a row for %s, under all its names', (key) => {
    const names = [key, `MCP_BROKER_${key.toUpperCase()}`, `--${key.replaceAll('_', '-')}`]
    expect(configReference('markdown')).toContain(`| ${names.map((name) => `\`${name}\``).join('<br>')} |`)
  })

  test('the variables to fill in are understood, each at its default', async () => {
    const assignments = configReference('env').matchAll(/^# (MCP_BROKER_\w+)=(.*)$/gm)
    const env = Object.fromEntries([...assignments].map(([, name, value]) => [name!, value!]))
    expect(Object.keys(env)).toHaveLength(keys.length)
    for (const without_default of [
      'ADMIN_KEY',
      'DATA_DIR',
      'PROTOCOLS',
      'REDIS_URL',
      'REDIS_WAIT_REPLICAS',
      'REDIS_CA_FILE',
    ]) {
      expect(env[`MCP_BROKER_${without_default}`]).toBe('')
      delete env[`MCP_BROKER_${without_default}`]
    }
    const { config } = await loadConfig({ env })
    expect(config).toEqual((await loadConfig({ env: {} })).config)
  })

  test('the JSON Schema knows every setting, its bounds and its choices, and nothing else', () => {
    const schema = JSON.parse(configReference('json-schema'))
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema.additionalProperties).toBe(false)
    expect(Object.keys(schema.properties)).toEqual(['$schema', ...keys])
    expect(schema.properties.port).toMatchObject({
      type: 'integer',
      minimum: 0,
      maximum: 65535,
      default: 8123,
    })
    expect(schema.properties.mailbox_overflow).toMatchObject({
      enum: ['reject', 'drop_oldest'],
      default: 'reject',
    })
    expect(schema.properties.admin_key.writeOnly).toBe(true)
    expect(schema.required).toBeUndefined()
  })
})

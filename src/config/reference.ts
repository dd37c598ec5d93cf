import { OTHER_VARIABLES } from './load.ts'
import { ConfigSchema } from './schema.ts'
import { choices, SETTINGS, type Setting, wanted } from './settings.ts'

export const REFERENCE_FORMATS = ['markdown', 'json-schema', 'env'] as const
export type ReferenceFormat = (typeof REFERENCE_FORMATS)[number]

/** Every setting: as a page, as a JSON Schema for editors, or as a file of variables to fill in. */
export function configReference(format: ReferenceFormat): string {
  return { markdown, 'json-schema': jsonSchema, env: envFile }[format]()
}

function markdown(): string {
  return `# Settings

A setting has three names: the key in a settings file, the environment variable, and the flag of \`mcp-broker serve\`.
Where one is given several times, flags win over variables, variables over the file, and the file over the default.

The file is JSON, where its name ends in \`.json\`, or YAML; \`--config\` or \`MCP_BROKER_CONFIG\` names it:

\`\`\`yaml
port: 9000
mailbox_messages_max: 100
allowed_origins: [https://tools.example]
\`\`\`

In a variable or a flag a switch is \`true\` or \`false\` (a flag alone is \`true\`, \`--no-…\` is \`false\`), and a list is
separated by commas. A name that is not known is an error, as is a value that does not fit; \`mcp-broker config check\`
shows everything that is wrong, or else what is in force and where it came from. Durations are in seconds, sizes in bytes.

| file, variable, flag | value | default | meaning |
|---|---|---|---|
${SETTINGS.map(row).join('\n')}

## Other variables

| variable | meaning |
|---|---|
${Object.entries(OTHER_VARIABLES)
  .map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  .join('\n')}

What Kubernetes sets in every pod beside a Service called \`mcp-broker\` (\`MCP_BROKER_SERVICE_HOST\`,
\`MCP_BROKER_PORT=tcp://…\` and the like) is not taken for settings.
`
}

function row(setting: Setting): string {
  const names = [setting.key, setting.env, `--${setting.flag}`].map((name) => `\`${name}\``).join('<br>')
  return `| ${[names, wanted(setting), defaultText(setting), setting.description].join(' | ')} |`
}

function defaultText({ default: value }: Setting): string {
  if (value === undefined) return 'none'
  return Array.isArray(value) && value.length === 0 ? 'none' : `\`${value}\``
}

function jsonSchema(): string {
  const properties = SETTINGS.map((setting) => {
    const { schema, kind } = setting
    if (kind !== 'choice') return [setting.key, schema]
    const { default: value, description } = schema
    return [setting.key, { enum: choices(setting), default: value, description }]
  })
  return `${JSON.stringify(
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'Settings of mcp-broker',
      type: ConfigSchema.type,
      properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
      additionalProperties: false,
    },
    null,
    2,
  )}\n`
}

function envFile(): string {
  const entries = SETTINGS.map((setting) => {
    const { env, description, default: value } = setting
    return `# ${description}\n# It is ${wanted(setting)}.\n# ${env}=${value ?? ''}\n`
  })
  return entries.join('\n')
}

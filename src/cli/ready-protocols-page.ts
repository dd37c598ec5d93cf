import { packageManager } from '../../package.json'
import { type Field, type Shape, shapesOf } from '../core/protocol/card/shapes.ts'
import type { ProtocolDefinition } from '../core/protocol/definition.ts'
import { READY_PROTOCOLS } from '../core/protocol/ready/index.ts'
import { cell } from './tables.ts'

/** What the definitions cannot say: which one to take, and who decides where two want the same. */
const ABOUT: Readonly<Record<string, string>> = {
  chat: `Nobody decides anything here: a message is what its sender says. Of two answers to one question, both
arrive.`,
  task: `The client that asks keeps the task: it chose the worker, and a task_id names one task of one worker.
To have one of several workers do it, ask them in turn, or ask all with different task_ids and cancel those
that answer later.

| state | begins with | ends the task |
|---|---|---|
| submitted | \`request\` | |
| working | \`accept\`, \`progress\`, \`input\` | |
| input_required | \`input_required\` | |
| completed, failed, canceled | \`result\` with this \`state\` | yes |
| rejected | \`reject\` | yes |`,
  file_lease: `**Who decides a race: the keeper.** Messages alone cannot: of two clients that tell each other
"mine" at the same moment, neither is first. So one client is the keeper. It takes the requests in the order
in which its mailbox has them, and answers each. The broker has no keeper of its own; without one at the
address \`leases\`, a request is a message that nobody reads. This is one to run or to start from:
[examples/file-lease-keeper.ts](../examples/file-lease-keeper.ts).

\`\`\`sh
npx -y ${packageManager} examples/file-lease-keeper.ts
\`\`\`

| to know | |
|---|---|
| all or none | \`acquire\` grants all of its paths, or none: no two clients hold half of what both want |
| it ends by itself | after \`ttl_seconds\`, unless renewed: a client that is gone blocks nobody |
| whose clock | the keeper's. Renew when half of \`ttl_seconds\` is over |
| the fence | it rises with each grant: a store that is given it can refuse a client that came late |
| globs | may count as the same path when in truth they are not; never the other way round |
| advisory | it keeps nobody from writing who did not ask |`,
}

/** The page of the protocols that are there without being registered. */
export function readyProtocolsPage(): string {
  return `# Ready protocols

Every project has these, unless it registers a protocol of the same name itself: then its own counts, and
registering says so. \`protocols_builtin: false\` hides them. A message says \`protocol_name\` and
\`protocol_version\`; its payload is then held to the protocol, and an error shows what is wrong and an
example that is right. How to register others is in [protocols.md](protocols.md).

| protocol | take it for |
|---|---|
${READY_PROTOCOLS.map(summaryRow).join('\n')}

\`\`\`sh
mcp-broker protocols show task
mcp-broker call send_message sender_id=frontend recipient_id=backend protocol_name=chat \\
  protocol_version=1.0.0 'payload={"text":"hello"}'
\`\`\`

${READY_PROTOCOLS.map(protocolSection).join('\n\n')}
`
}

function summaryRow({ name, metadata: { description = '' } }: ProtocolDefinition): string {
  const [summary = ''] = description.split(/(?<=\.) /)
  return `| [\`${name}\`](#${name}) | ${cell(summary)} |`
}

function protocolSection({ name, version, schema, capabilities, metadata }: ProtocolDefinition): string {
  const shapes = shapesOf(schema)
  const examples = metadata.examples ?? []
  return `## ${name}

Version ${version}, for ${capabilities.join(', ')}. ${metadata.description}

**For agents.** ${metadata.agent_notes}

${ABOUT[name]}

${shapes.map((shape) => shapeSection(shape, examples)).join('\n\n')}`
}

function shapeSection(
  { kind, description, fields }: Shape,
  examples: NonNullable<ProtocolDefinition['metadata']['examples']>,
): string {
  const shown = examples.filter(({ name }) => !kind || JSON.stringify(name) === kind.value)
  const head = kind ? `### ${JSON.parse(kind.value)}\n\n${description}\n\n` : ''
  return `${head}| member | type | |
|---|---|---|
${fields
  .filter(({ path }) => path !== kind?.member)
  .map(fieldRow)
  .join('\n')}

\`\`\`json
${shown.map(({ payload }) => JSON.stringify(payload)).join('\n')}
\`\`\``
}

function fieldRow({ path, type, required, description = '' }: Field): string {
  return `| \`${path}\` | ${cell(type)}${required ? '' : ', optional'} | ${cell(description)} |`
}

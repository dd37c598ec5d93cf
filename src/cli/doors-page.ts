import { EVENTS_PATH, EventsInput } from '../transports/events.ts'
import { BACKUP_PATH } from '../transports/http/backup.ts'
import { AuthenticateParams, SubscribeParams, WAITING_MAX } from '../transports/ws/rpc.ts'
import { membersTable } from './tables.ts'

/** The page of what differs between the doors. The page of the commands has what they share. */
export function doorsPage(): string {
  return `# Doors

The commands are the same everywhere: see [commands.md](commands.md). This page says what each door adds.

## A message

\`message_id\`, \`sender_id\`, \`recipient_id\` (absent on a broadcast), \`payload\`, \`sent_at\`, and only where they are not the default:
\`headers\`, \`priority\`, \`expires_at\`, \`attempt\`, \`in_reply_to\`, \`protocol_name\`, \`protocol_version\`, \`adapted_from\`, \`broadcast: true\`.
[protocols.md](protocols.md) is about those of protocols. Times are RFC 3339 with milliseconds, durations end in \`_seconds\` or \`_ms\`, sizes in \`_bytes\`.

## Who is calling

- A WebSocket, or an MCP session of the 2025 revisions, is whoever it checked in as. An argument that says otherwise is refused.
- A stateless caller (HTTP, MCP 2026-07-28) names itself in each call: \`sender_id\` when sending, \`client_id\` when reading. The first use checks
  that client in.
- Checking in again with the \`session_id\` resumes. Without it, a new session takes the address over: the older one's sockets are closed with
  3503, and what it had leased is pending again.
- With \`MCP_BROKER_ADMIN_KEY\` set, every request but health carries a key: \`Authorization: Bearer …\`, \`X-API-Key\`, or as a WebSocket subprotocol.
  Never in the URL.

## WebSocket: \`/v1/ws\`

JSON-RPC 2.0 in text frames. Every command is a method. A frame may hold a batch, a JSON array, in either direction. A request without \`id\`
is carried out without an answer.

- Calls begin in the order they came, so a check-in, a subscription and the first messages may be sent in one
  go: what comes after \`checkin_client\`, \`disconnect_session\`, \`authenticate\` or \`subscribe\` begins when that
  is answered. Nothing else waits for what came before it. Answers come when they are there: see their \`id\`.
- A batch is answered by one array when its last call is answered, or by several where one would pass
  \`buffer_bytes_max\`. A call that was asked to wait (\`wait_seconds\`, \`timeout\`) and is not answered at once is
  answered by itself when it is done; up to ${WAITING_MAX} of one connection may wait.
- Calls that take long are carried out in slices, and others are served in between. The broker stops reading
  from a client that sends more than can be begun, until it has caught up.

\`\`\`
> {"jsonrpc":"2.0","id":1,"method":"checkin_client","params":{"client_id":"frontend"}}
< {"jsonrpc":"2.0","id":1,"result":{"session_id":"…","client_id":"frontend","cursor":"k3f9:0","unread":0,…}}
> {"jsonrpc":"2.0","id":2,"method":"subscribe","params":{"after":"k3f9:0","ack":"manual","batch":true}}
< {"jsonrpc":"2.0","id":2,"result":{"recovered":true,"cursor":"k3f9:0",…}}
< {"jsonrpc":"2.0","method":"message","params":{"cursor":"k3f9:1","message":{…}}}
\`\`\`

**\`subscribe\`** starts delivery of one mailbox to this connection. Without \`after\` it begins at what is not acknowledged. It answers \`recovered\`,
\`cursor\` (where delivery begins), \`unread\` and \`session_id\`.

${membersTable('parameter', SubscribeParams)}

**\`unsubscribe\`** ends delivery.

**\`authenticate\`** is for a client that cannot give its key when connecting, within 5 s. Browsers give it as a subprotocol:
\`new WebSocket(url, ["mcp-broker.v1", "bearer." + key])\`.

${membersTable('parameter', AuthenticateParams)}

| notification | params |
|---|---|
| \`message\` | \`{cursor, message}\`; resume after this cursor |
| \`receipt\` | \`{message_id, recipient_id, status, reason?}\`, to who reads the sender's mailbox: \`dead_lettered\` always, \`acknowledged\` with \`receipts: true\` |
| \`session\` | \`{session_id, client_id, name?, status, last_seen_at}\`, with \`sessions: true\` |

A connection that takes nothing for \`slow_reader_seconds\` is closed with 3008, one that does not answer pings with 3012; all close codes are in
[errors.md](errors.md). After 3000–3499 connect again and resume.

## Events: \`GET ${EVENTS_PATH}\`

${membersTable('parameter', EventsInput)}

\`Last-Event-ID\` resumes, as a browser's EventSource sends it, and goes before \`after\`. A comment comes every \`stream_comment_seconds\`.

| event | data |
|---|---|
| \`recovery\` | the first: \`{recovered, cursor, unread, session_id}\` |
| \`message\` | \`{cursor, message}\`; its \`id\` is the cursor |
| \`receipt\`, \`session\` | as over the WebSocket |
| \`close\` | the error that ends the stream |

A stream cannot show that something arrived. With \`ack=auto\` what is written counts as read, and a resume by cursor reads it again from the
mailbox's history, as long as that holds it; with \`ack=manual\` nothing is acknowledged until \`ack_messages\`.

## MCP: \`/mcp\`

Streamable HTTP, of 2026-07-28 (stateless) and of the 2025 revisions (\`initialize\`, \`Mcp-Session-Id\`, GET stream, \`Last-Event-ID\`, DELETE) on the
one URL. Results carry \`structuredContent\` and a short text for a model to read; errors carry the catalogue's entry in
\`_meta["mcp-broker/error"]\`. Each mailbox is a resource, \`inbox://{client_id}\`: reading it shows what is pending without acknowledging, and a
subscription (\`resources/subscribe\`, or \`subscriptions/listen\`) hints that there is something new. Each version of a protocol is one too,
\`protocol://{name}/{version}\`. Calls that wait send progress every
\`stream_comment_seconds\` where a \`progressToken\` is given. The prompt \`join\` has an agent check in and answer what comes in.

## HTTP: \`/v1/…\`

The routes are in [commands.md](commands.md), and as OpenAPI 3.1 at \`/openapi\`. Errors are problem details, \`Retry-After\` included. A call that
waits (\`wait_seconds\`, \`timeout\`) ends when its caller goes. \`/health/live\` says that the process runs, \`/health/ready\` that a message can be stored
and announced.

\`POST ${BACKUP_PATH}\`, with a key of the scope \`admin\` where the broker has keys, answers with a tar archive of all that is stored, of all projects,
as it was between two turns; it is whole if it ends with \`manifest.json\`. \`mcp-broker backup\` takes it and \`mcp-broker restore\` makes a data
directory of it: see [durability.md](durability.md).

A broker that has much to load listens before it has. Until then \`/health/ready\` says how far it is (\`loaded_bytes\`, \`total_bytes\`), and every other
path but \`/health/live\` answers \`starting\`: with 503 and \`Retry-After\`, at \`/mcp\` as a JSON-RPC error, and to a WebSocket in place of the upgrade.
`
}

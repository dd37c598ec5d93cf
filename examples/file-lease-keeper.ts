/**
 * A keeper of file leases: the one client that decides who may write which files. It speaks the protocol
 * `file_lease` at the address `leases`, as any other client could.
 *
 *     MCP_BROKER_URL=http://127.0.0.1:8123 bun examples/file-lease-keeper.ts
 *
 * Leases are kept in memory. A keeper that starts anew has forgotten them and denies to renew them; its
 * fences go on above the earlier ones, since they begin at the time of day.
 */
import { posix } from 'node:path'

const TTL_SECONDS_DEFAULT = 900
/** How long a lease that ran out is remembered: a late renewal learns who has its paths. */
const REMEMBERED_MS = 3_600_000

/** What a client asks for, in `acquire`, `renew` and `release`. */
interface Asked {
  readonly kind: string
  readonly lease_id: string
  readonly paths: readonly string[]
  readonly mode?: string
  readonly ttl_seconds?: number
}

interface Lease extends Required<Asked> {
  readonly client_id: string
  readonly expires_ms: number
  readonly fence: number
}

/** A lease belongs to the client that asked for it, so these are by client and lease_id. */
const leases = new Map<string, Lease>()
let last_fence = Date.now()

/** What the keeper says to one message of a client; undefined where there is nothing to say. */
function answer(client_id: string, { kind, lease_id, ...asked }: Asked): object | undefined {
  const now = Date.now()
  for (const [key, { expires_ms }] of leases) if (expires_ms + REMEMBERED_MS < now) leases.delete(key)
  const key = JSON.stringify([client_id, lease_id])
  const held = leases.get(key)
  if (kind === 'release') {
    leases.delete(key)
    return { kind: 'released', lease_id }
  }
  if (kind !== 'acquire' && kind !== 'renew') return undefined
  if (kind === 'renew' && !held)
    return { kind: 'denied', lease_id, reason: 'There is no such lease: acquire it anew.' }
  const { paths, mode = 'exclusive' } = kind === 'renew' && held ? held : asked
  const outside = paths.find((path) => /^(\/|\.\.(\/|$))/.test(posix.normalize(path)))
  if (outside !== undefined)
    return { kind: 'denied', lease_id, reason: `${outside} does not lie in the repository.` }
  // All of the paths or none: a single lease in the way is enough.
  const holders = [...leases.values()]
    .filter((lease) => lease.client_id !== client_id && lease.expires_ms > now)
    .filter((lease) => mode === 'exclusive' || lease.mode === 'exclusive')
    .filter((lease) => lease.paths.some((one) => paths.some((other) => overlap(one, other))))
    .slice(0, 100)
    .map(({ client_id, paths, mode, expires_ms }) => {
      const remaining_seconds = Math.ceil((expires_ms - now) / 1000)
      return { client_id, paths, mode, expires_at: new Date(expires_ms).toISOString(), remaining_seconds }
    })
  if (holders.length > 0)
    return kind === 'renew'
      ? { kind: 'conflict', lease_id, paths, holders, reason: 'The lease ran out before it was renewed.' }
      : { kind: 'denied', lease_id, holders, reason: 'Others hold some of the paths.' }
  // The same request again is the same lease, and so is one that is renewed in time.
  const same = held && held.expires_ms > now && held.mode === mode && `${held.paths}` === `${paths}`
  if (!same) last_fence = Math.max(last_fence + 1, now)
  const fence = same ? held.fence : last_fence
  const ttl_seconds = asked.ttl_seconds ?? held?.ttl_seconds ?? TTL_SECONDS_DEFAULT
  const expires_ms = now + ttl_seconds * 1000
  leases.set(key, { kind, lease_id, client_id, paths, mode, ttl_seconds, expires_ms, fence })
  const expires_at = new Date(expires_ms).toISOString()
  return { kind: 'granted', lease_id, paths, mode, ttl_seconds, expires_at, fence }
}

/** Whether two paths or globs may name one file. Of two globs only the beginnings count: better too often. */
function overlap(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)]
  const [start_a, start_b] = [literalStart(a), literalStart(b)]
  if (a === b || start_a.startsWith(`${b}/`) || start_b.startsWith(`${a}/`)) return true
  if (a !== start_a && b !== start_b) return start_a.startsWith(start_b) || start_b.startsWith(start_a)
  return new Bun.Glob(a).match(b) || new Bun.Glob(b).match(a)
}

/** `./src//` as `src/**`: a folder stands for all below it. */
function plain(path: string): string {
  const normal = posix.normalize(path)
  if (normal === '.' || normal === './') return '**'
  return normal.endsWith('/') ? `${normal}**` : normal
}

/** What stands before the first wildcard; nothing where the glob means all but what it says. */
function literalStart(path: string): string {
  return path.replace(/^!.*$|[*?[{\\].*$/s, '')
}

function connect(): void {
  const url = process.env.MCP_BROKER_URL ?? 'http://127.0.0.1:8123'
  const api_key = process.env.MCP_BROKER_API_KEY
  const subprotocols = api_key === undefined ? [] : ['mcp-broker.v1', `bearer.${api_key}`]
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/ws`, subprotocols)
  const call = (method: string, params: object) =>
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: method, method, params }))
  socket.onopen = () => {
    call('checkin_client', { client_id: 'leases', capabilities: { protocols: { file_lease: '^1.0.0' } } })
    call('subscribe', { ack: 'manual' })
  }
  socket.onmessage = ({ data }) => {
    const { id, error, method, params } = JSON.parse(String(data))
    if (error) {
      console.error(`${id}: ${error.message}`)
      if (id === 'checkin_client' || id === 'subscribe') process.exit(1)
    }
    if (id === 'subscribe') console.log('The keeper of file leases is ready.')
    if (method !== 'message') return
    const { message_id, sender_id, protocol_name, protocol_version, payload } = params.message
    // The broker has held the payload to the protocol.
    const said = protocol_name === 'file_lease' ? answer(sender_id, payload) : undefined
    if (said)
      call('send_message', {
        recipient_id: sender_id,
        in_reply_to: message_id,
        protocol_name,
        protocol_version,
        payload: said,
      })
    // Acknowledged after the answer: if the connection breaks before, the message comes again.
    call('ack_messages', { message_ids: [message_id] })
  }
  socket.onclose = ({ code, reason }) => {
    console.error(`The connection is closed: ${code} ${reason}`)
    // These say that connecting again is of no use, as when another keeper has the address.
    if ((code >= 3500 && code < 4000) || code >= 4500) process.exit(1)
    setTimeout(connect, 1000)
  }
}

connect()

/** What a server says of itself (`INFO`), as far as it matters here. */
export interface ServerInfo {
  /** As Redis counts; Valkey says 7 or more here. */
  readonly version: readonly [major: number, minor: number]
  /** What happens when memory is full; `noeviction` refuses writes. */
  readonly maxmemory_policy: string
  readonly role: string
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string
  /** The first 8 digits of `master_replid`: another one may have lost what was written. */
  readonly history: string
  /** The same of the history before; zeros where this server has taken over from none. */
  readonly history_before: string
  readonly replicas: number
}

/** @param text the answer to INFO */
export function readInfo(text: string): ServerInfo {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const [major = 0, minor = 0] = (fields.get('redis_version') ?? '').split('.').map(Number)
  const valkey = fields.get('server_name') === 'valkey' || fields.has('valkey_version')
  return {
    version: valkey ? [Math.max(7, major), minor] : [major, minor],
    maxmemory_policy: fields.get('maxmemory_policy') ?? '',
    role: fields.get('role') ?? '',
    mode: fields.get('redis_mode') ?? 'standalone',
    history: (fields.get('master_replid') ?? '').slice(0, 8),
    history_before: (fields.get('master_replid2') ?? '').slice(0, 8),
    replicas: Number(fields.get('connected_slaves') ?? 0),
  }
}

/** Whether it has `SPUBLISH` and `SSUBSCRIBE`. */
export function isSharded({ version }: ServerInfo): boolean {
  return version[0] >= 7
}

/**
 * Why a server cannot be used, one sentence for each reason; none if it can.
 *
 * @param mode which one the URL means
 */
export function faultsOf(info: ServerInfo, mode: 'standalone' | 'cluster'): string[] {
  const faults: string[] = []
  const [major, minor] = info.version
  if (info.mode !== mode)
    return [
      info.mode === 'cluster'
        ? 'This Redis is a node of a cluster: write redis+cluster:// in its URL.'
        : info.mode === 'sentinel'
          ? 'This is a sentinel: write redis+sentinel:// and the name of the master in its URL.'
          : 'This Redis is no node of a cluster: write redis:// in its URL.',
    ]
  if (major < 6 || (major === 6 && minor < 2))
    faults.push(`This Redis is version ${major}.${minor}: it has to be 6.2 or later, or Valkey.`)
  if (info.maxmemory_policy !== 'noeviction')
    faults.push(
      `This Redis may evict messages (maxmemory-policy ${info.maxmemory_policy}): set it to noeviction.`,
    )
  // In a cluster it is the slots that say who is master.
  if (info.role !== 'master' && mode === 'standalone')
    faults.push(`This Redis is a replica (role ${info.role}): the URL has to name the master.`)
  return faults
}

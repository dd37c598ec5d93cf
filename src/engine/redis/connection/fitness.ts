/** What a server says of itself that matters here. */
export interface ServerFacts {
  /** The first 8 digits of the name of its history: a server with another one may lack what was written. */
  readonly generation: string
  /** It has sharded pub/sub. */
  readonly sharded: boolean
  /** Replicas that are connected. */
  readonly replicas: number
  /** Why it cannot be used, in one sentence; undefined: it can. */
  readonly unfit: string | undefined
}

/** @param info what `INFO` answers: the sections server, memory and replication */
export function factsOf(info: string): ServerFacts {
  const fields = new Map<string, string>()
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  // Valkey calls itself Redis 7.2.
  const version = fields.get('redis_version') ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return {
    generation: (fields.get('master_replid') ?? '').slice(0, 8) || 'unknown',
    sharded: major >= 7,
    replicas: Number(fields.get('connected_slaves') ?? 0),
    unfit: unfitness(version, major, minor, fields.get('maxmemory_policy')),
  }
}

function unfitness(
  version: string,
  major: number,
  minor: number,
  policy: string | undefined,
): string | undefined {
  if (major < 6 || (major === 6 && minor < 2)) return `Redis is version ${version}, and must be 6.2 or later.`
  if (policy !== undefined && policy !== 'noeviction')
    return `Redis would delete messages when its memory is full: its maxmemory-policy is ${policy}, and must be noeviction.`
  return undefined
}

/** One address of a server. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

interface Common {
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

/** Where Redis is, as its URL says. */
export type Target = Common &
  (
    | { readonly form: 'standalone'; readonly endpoints: readonly [Endpoint]; readonly database: number }
    | {
        readonly form: 'sentinel'
        /** Of the sentinels. */
        readonly endpoints: readonly Endpoint[]
        /** The name by which the sentinels know the master. */
        readonly master: string
        readonly sentinel_password: string | undefined
        readonly database: number
      }
    | { readonly form: 'cluster'; readonly endpoints: readonly Endpoint[] }
  )

const FORMS = {
  'redis:': { form: 'standalone', tls: false },
  'rediss:': { form: 'standalone', tls: true },
  'redis+sentinel:': { form: 'sentinel', tls: false },
  'rediss+sentinel:': { form: 'sentinel', tls: true },
  'redis+cluster:': { form: 'cluster', tls: false },
  'rediss+cluster:': { form: 'cluster', tls: true },
} as const

const PORTS = { standalone: 6379, sentinel: 26379, cluster: 6379 } as const
/** Databases that Redis may be told to have. */
const DATABASE_MAX = 65_535

/**
 * Reads a URL: `redis://[user:pass@]host[:port][/database]`,
 * `redis+sentinel://[user:pass@]h1:p1,h2:p2/master[/database][?sentinelPassword=…]`, or
 * `redis+cluster://[user:pass@]h1:p1,h2:p2`; `rediss` instead of `redis` for TLS. Parts of the user info are
 * percent-encoded.
 *
 * @throws Error with one sentence that does not contain the credentials
 */
export function parseTarget(url: string): Target {
  const parts = /^([a-z+]+:)\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url)
  const scheme = parts?.[1]
  if (!parts || scheme === undefined || !Object.hasOwn(FORMS, scheme))
    throw new Error(
      'The URL of Redis must begin with redis://, redis+sentinel:// or redis+cluster://, or with rediss for TLS.',
    )
  const [, , user_info, hosts = '', path = '', query = ''] = parts
  const { form, tls } = FORMS[scheme as keyof typeof FORMS]
  const common = { tls, ...credentials(user_info) }
  const endpoints = hosts.split(',').map((host, i) => endpoint(host, i + 1, PORTS[form]))
  const parameters = new URLSearchParams(query)
  if (form !== 'sentinel' && [...parameters.keys()].length > 0)
    throw new Error('The URL of Redis takes parameters with redis+sentinel:// alone.')
  if (form === 'standalone') {
    if (endpoints.length > 1)
      throw new Error('A URL that begins with redis:// names one server; of several, say redis+cluster://.')
    return { form, ...common, endpoints: [endpoints[0]!], database: database(path) }
  }
  if (form === 'cluster') {
    if (path !== '')
      throw new Error('A Redis Cluster has no numbered databases: leave out what follows the /.')
    return { form, ...common, endpoints }
  }
  const [master = '', number = '', ...rest] = path.split('/')
  if (master === '' || rest.length > 0)
    throw new Error('A URL that begins with redis+sentinel:// ends with the name of the master: /mymaster.')
  for (const name of parameters.keys())
    if (name !== 'sentinelPassword')
      throw new Error('The URL of Redis takes the parameter sentinelPassword, and no other.')
  const sentinel_password = parameters.get('sentinelPassword') ?? undefined
  return {
    form,
    ...common,
    endpoints,
    master: decoded(master),
    sentinel_password,
    database: database(number),
  }
}

/** As it is written in a URL. */
export function endpointText({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A target for people: without credentials. */
export function describeTarget(target: Target): string {
  const scheme = target.tls ? 'rediss' : 'redis'
  const hosts = target.endpoints.map(endpointText).join(',')
  if (target.form === 'cluster') return `${scheme}+cluster://${hosts}`
  const number = target.database === 0 ? '' : `/${target.database}`
  return target.form === 'standalone'
    ? `${scheme}://${hosts}${number}`
    : `${scheme}+sentinel://${hosts}/${encodeURIComponent(target.master)}${number}`
}

/**
 * What every key and channel begins with: channels have no databases, so the number is part of it.
 *
 * @param prefix as it is set
 * @throws Error with one sentence for a prefix that cannot be one
 */
export function keyPrefix(prefix: string, target: Target): string {
  if (!/^[^\s{}]{0,64}$/.test(prefix))
    throw new Error('The prefix of Redis keys has at most 64 characters, and no braces and no white space.')
  return `${prefix}${target.form === 'cluster' ? 0 : target.database}:`
}

function credentials(user_info: string | undefined): Pick<Common, 'username' | 'password'> {
  if (user_info === undefined) return { username: undefined, password: undefined }
  const colon = user_info.indexOf(':')
  const [username, password] =
    colon === -1 ? [user_info, ''] : [user_info.slice(0, colon), user_info.slice(colon + 1)]
  return { username: decoded(username) || undefined, password: decoded(password) || undefined }
}

/** @param nth which one of the list it is: a wrong text may be a part of the credentials, and is not shown */
function endpoint(text: string, nth: number, port_default: number): Endpoint {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text)
  const host = parts?.[1] ?? parts?.[2]
  const port = Number(parts?.[3] ?? port_default)
  if (host === undefined || port < 1 || port > 65_535)
    throw new Error(
      `The URL of Redis names each server as host:port, which number ${nth} of the list is not. Of a password, "@", "/", "?" and "#" are written as %40, %2F, %3F and %23.`,
    )
  return { host, port }
}

function database(text: string): number {
  if (text === '') return 0
  const number = Number(text)
  if (!/^\d+$/.test(text) || number > DATABASE_MAX)
    throw new Error('The URL of Redis names a database by its number, such as /1.')
  return number
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('The URL of Redis has a % that is not followed by two hexadecimal digits.')
  }
}

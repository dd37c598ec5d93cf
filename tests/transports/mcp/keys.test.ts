import { describe, expect, test } from 'bun:test'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { startBroker } from '../../harness.ts'

const admin_key = 'an-operator-key-of-some-length'
const INFO = { name: 'test', version: '1.0.0' }

/** What a client does when it has to authorize itself, as far as this broker lets it come. */
function provider(): OAuthClientProvider {
  return {
    redirectUrl: 'http://127.0.0.1:9/callback',
    clientMetadata: { redirect_uris: ['http://127.0.0.1:9/callback'] },
    clientInformation: () => undefined,
    saveClientInformation: () => undefined,
    tokens: () => undefined,
    saveTokens: () => undefined,
    redirectToAuthorization: () => {
      throw new Error('sent to an authority that does not exist')
    },
    saveCodeVerifier: () => undefined,
    codeVerifier: () => 'none',
  }
}

type Connect = (
  url: URL,
  how: { fetch: typeof fetch; authProvider?: OAuthClientProvider },
) => Promise<unknown>

const CLIENTS: Record<string, Connect> = {
  'SDK 1.x': (url, how) => new LegacyClient(INFO).connect(new LegacyTransport(url, how) as Transport),
  'SDK 2.x': (url, how) =>
    new ModernClient(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } }).connect(
      new ModernTransport(url, how),
    ),
}

for (const [name, connect] of Object.entries(CLIENTS))
  describe(`the ${name} without a key`, () => {
    const refused = async (authProvider?: OAuthClientProvider) => {
      await using app = await startBroker({ admin_key })
      const asked: string[] = []
      const counting = async (url: string | URL | Request, init?: RequestInit) => {
        const response = await fetch(url, init)
        asked.push(`${init?.method ?? 'GET'} ${new URL(String(url)).pathname} ${response.status}`)
        return response
      }
      const error: unknown = await connect(new URL('/mcp', app.url), {
        fetch: counting as typeof fetch,
        ...(authProvider ? { authProvider } : {}),
      }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      return { asked, said: String(error) }
    }

    test('is told so at once, and does not look for an authority', async () => {
      const { asked, said } = await refused()
      expect(asked).toEqual(['POST /mcp 401'])
      expect(said).toMatch(/needs a key|requires authorization/)
    })

    test('finds no authority where it looks for one, and is told where a key comes from', async () => {
      const { asked, said } = await refused(provider())
      expect(asked[0]).toBe('POST /mcp 401')
      for (const one of asked.slice(1)) expect(one).toMatch(/ (\/\.well-known\/\S+|\/register) 404$/)
      expect(said).toContain('get one from the operator')
    })
  })

test('the paths of an authority are not there for anybody, whatever they are asked', async () => {
  await using app = await startBroker({ admin_key })
  for (const path of [
    '/.well-known/oauth-protected-resource/mcp',
    '/.well-known/openid-configuration',
    '/register',
  ])
    for (const method of ['GET', 'POST'])
      for (const headers of [
        {},
        { authorization: `Bearer ${admin_key}` },
        { authorization: 'Bearer wrong' },
      ]) {
        const response = await fetch(app.url + path, { method, headers })
        expect(response.status).toBe(404)
        expect(await response.json()).toMatchObject({ code: 'unknown_route' })
      }
  for (const path of ['/registered', '/v1/nothing', '/.well-known'])
    expect((await fetch(app.url + path)).status).toBe(401)
  const foreign = await fetch(`${app.url}/register`, { headers: { origin: 'http://evil.example' } })
  expect(foreign.status).toBe(403)
})

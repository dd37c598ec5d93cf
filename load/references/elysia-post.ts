import { Elysia } from 'elysia'

/**
 * The least that a JSON answer to a JSON POST costs on what the broker is built on: parse, one field read, answer.
 * `bun load/references/elysia-post.ts PORT` listens on the loopback address.
 */
new Elysia()
  .post('/mcp', ({ body }) => ({ jsonrpc: '2.0', id: (body as { id: unknown }).id, result: {} }))
  .listen({ hostname: '127.0.0.1', port: Number(process.argv[2]) })

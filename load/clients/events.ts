import type { Delivered } from './rpc.ts'

/**
 * Reads a mailbox as server-sent events; checks its client in first.
 *
 * @param url of the broker
 * @returns ends the stream
 * @throws Error when the broker refuses
 */
export async function readEvents(
  url: string,
  client_id: string,
  onMessage: (delivered: Delivered) => void,
): Promise<() => void> {
  await post(`${url}/v1/sessions`, JSON.stringify({ client_id }))
  const over = new AbortController()
  const response = await fetch(`${url}/v1/mailboxes/${client_id}/events`, { signal: over.signal })
  if (!response.ok || !response.body) throw new Error(`${client_id} gets no events: ${response.status}`)
  const recovered = Promise.withResolvers<void>()
  readAll(response.body, (event, data) => {
    if (event === 'message') onMessage(JSON.parse(data))
    else if (event === 'recovery') recovered.resolve()
  }).then(() => recovered.reject(new Error(`the events of ${client_id} ended`)), recovered.reject)
  await recovered.promise
  return () => over.abort()
}

/** Reads a stream of events until it ends. Source: the HTML standard, section 9.2, as far as the broker writes it. */
async function readAll(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: string, data: string) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = events.pop()!
      for (const event of events) {
        const name = /^event: (.*)$/m.exec(event)?.[1]
        const data = /^data: (.*)$/m.exec(event)?.[1]
        if (name !== undefined && data !== undefined) onEvent(name, data)
      }
    }
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error
  }
}

/** Posts JSON. @returns the answer's text @throws Error when it is refused */
export async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
  return text
}

import { version } from '../../../package.json'
import { preferredType } from '../accept.ts'
import { EVENTS_PATH } from '../events.ts'
import { columns, escapeHtml, htmlPage, plainText } from './pages.ts'

const TITLE = `mcp-broker ${version}`
const SENTENCE = 'AI agents find each other and exchange messages here.'

/** The doors and pages; a browser can open the linked ones. */
const DOORS: readonly { name: string; path: string; link: boolean }[] = [
  { name: 'MCP', path: '/mcp', link: false },
  { name: 'WebSocket', path: '/v1/ws', link: false },
  { name: 'events', path: EVENTS_PATH, link: false },
  { name: 'HTTP', path: '/openapi', link: true },
  { name: 'status', path: '/v1/status', link: true },
  { name: 'metrics', path: '/metrics', link: true },
  { name: 'health', path: '/health/live', link: true },
  { name: 'readiness', path: '/health/ready', link: true },
]

/** What a user who sends a first message should know. @param ttl_seconds as it is set */
function mailRule(ttl_seconds: number): string {
  return `A message that nobody reads is kept for ${ttl_seconds} s, if it does not say otherwise; text sent as "message" arrives as "payload".`
}

/** The page at the bare address, which lists the doors. @param ttl_seconds as it is set */
export function welcome(accept: string | null, ttl_seconds: number): Response {
  if (preferredType(accept, ['text/plain', 'text/html']) === 'text/plain') {
    const lines = columns(DOORS.map(({ name, path }) => [`  ${name}`, path]))
    return plainText(`${TITLE}: ${SENTENCE}\n\n${lines.join('\n')}\n\n${mailRule(ttl_seconds)}\n`)
  }
  const rows = DOORS.map(({ name, path, link }) => {
    const shown = `<code>${escapeHtml(path)}</code>`
    return `<tr><td>${name}</td><td>${link ? `<a href="${path}">${shown}</a>` : shown}</td></tr>`
  })
  const rule = escapeHtml(mailRule(ttl_seconds))
  return htmlPage(TITLE, `<h1>${TITLE}</h1><p>${SENTENCE}</p><table>${rows.join('')}</table><p>${rule}</p>`)
}

import type { OpenApi, Operation } from './openapi.ts'
import { escapeHtml, htmlPage, htmlTable } from './pages.ts'

/** The OpenAPI document as a page for people, which loads nothing else. */
export function openApiPage(document: OpenApi): Response {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const contents = operations.map(
    ({ method, path, operation }) =>
      `<li><a href="#${operation.operationId}"><code>${method} ${escapeHtml(path)}</code></a> ${escapeHtml(operation.summary)}</li>`,
  )
  const sections = operations.map(({ method, path, operation }) => section(method, path, operation))
  return htmlPage(
    'mcp-broker: the HTTP door',
    `<h1>mcp-broker ${escapeHtml(document.info.version)}: the HTTP door</h1>
<p>${escapeHtml(document.info.description)}</p>
<p>For programs: <a href="/openapi/json">/openapi/json</a> (OpenAPI ${document.openapi}).</p>
<ul>${contents.join('\n')}</ul>
${sections.join('\n')}
<h2 id="errors">Errors</h2>
<p>Errors are problem details (RFC 9457, <code>application/problem+json</code>).</p>
${Object.values(document.components.responses)
  .map(({ description }) => `<p>${errorLines(String(description))}</p>`)
  .join('\n')}`,
  )
}

function section(method: string, path: string, operation: Operation): string {
  const { parameters, requestBody, responses } = operation
  const rows = parameters.map((parameter) => [
    parameter.name,
    `${parameter.in}${parameter.required ? ', required' : ''}`,
    parameter.description ?? '',
  ])
  const [status, answer] = Object.entries(responses)[0]!
  return `<h2 id="${operation.operationId}">${escapeHtml(operation.operationId)}</h2>
<p><code>${method} ${escapeHtml(path)}</code></p><p>${escapeHtml(operation.description || operation.summary)}</p>
${rows.length > 0 ? htmlTable(['parameter', 'in', 'meaning'], rows) : ''}
${requestBody === undefined ? '' : details('Body', requestBody.content)}
${details(`Answer ${status}`, answer.content)}`
}

function details(title: string, content: unknown): string {
  return `<details><summary>${title}</summary><pre>${escapeHtml(JSON.stringify(content, null, 2) ?? '')}</pre></details>`
}

/** Lines of "`code`: sentence" as HTML. */
function errorLines(description: string): string {
  return escapeHtml(description)
    .replaceAll(/`(\w+)`/g, '<code>$1</code>')
    .replaceAll('\n\n', '<br>')
}

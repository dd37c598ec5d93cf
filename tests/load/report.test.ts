import { expect, test } from 'bun:test'
import { html } from '../../load/report/html.ts'
import type { Report } from '../../load/report/report.ts'
import { escapeHtml } from '../../load/report/svg.ts'
import { table } from '../../load/report/table.ts'
import type { Result } from '../../load/scenario.ts'
import { latencyOf } from '../../load/stats.ts'

const latency = { p50: 1, p95: 2, p99: 12.5, max: 20 }
const results: Result[] = [
  {
    scenario: 'mixed',
    summary: 'talk & more',
    rows: [
      {
        what: '<b>own</b>',
        rate: 5000,
        latency,
        cpu_us: 40,
        memory_bytes: 120e6,
        lost: 0,
        twice: 3,
        budgets: [
          { what: 'p99', bound: 'at most', limit: 10, value: 12.5, unit: 'ms' },
          { what: 'CPU to other', bound: 'at most', limit: 2, value: 1.5, unit: '×' },
        ],
      },
      { what: 'other', reference: true, rate: 100, cpu_us: 60, lost: 9, twice: 0, budgets: [] },
      { what: 'absent', reference: true, lost: 0, twice: 0, budgets: [], note: 'not installed' },
    ],
    series: [
      {
        title: 'Memory',
        unit: 'MB',
        points: [
          [0, 100],
          [60, 101],
          [120, 102],
        ],
      },
    ],
  },
]
const report: Report = {
  began_at: '2026-11-21T00:00:00.000Z',
  seconds: 60,
  short: false,
  soak_minutes: 10,
  scenarios: ['mixed', 'soak'],
  machine: { cpu: 'a "fast" one', cores: 2, memory_gb: 24, kernel: '6', bun: '1.4.5', commit: 'abc' },
  results,
  wrong: ['mixed, <b>own</b>: missed'],
}

test('the table has a line for each budget, with its verdict, and says what is not installed', () => {
  const lines = table(results).split('\n')
  expect(lines[1]).toMatch(
    /^mixed +<b>own<\/b> +5,000 +1\.0 +2\.0 +12\.5 +20\.0 +40\.0 +120 +0 +3 +p99 12\.5 ≤ 10\.0 ms +MISSED$/,
  )
  expect(lines[2]).toMatch(/^ +CPU to other 1\.50 ≤ 2\.00 × +ok$/)
  expect(lines[3]).toMatch(/^ +other .* 9 +0$/)
  expect(lines[4]).toMatch(/^ +absent +not installed$/)
  const columns = (line: string, text: string) => line.indexOf(text) + text.length
  expect(columns(lines[0]!, 'rate/s')).toBe(columns(lines[1]!, '5,000'))
})

test('a lost message is a verdict of its own', () => {
  const [first, ...rest] = results[0]!.rows
  expect(table([{ ...results[0]!, rows: [{ ...first!, lost: 1 }, ...rest] }])).toContain('LOST')
})

test('text is escaped for HTML, in content and in attributes', () => {
  expect(escapeHtml(`<a href="x" id='y'>&`)).toBe('&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#38;')
})

test('the page escapes what it is told, needs no network, and says every chart in words', async () => {
  const page = html(report)
  expect(page).not.toContain('<b>own')
  expect(page).toContain('&#60;b&#62;own')
  expect(page).toContain('talk &#38; more')
  expect(page).toContain('1 missed or lost.')
  expect(page).toContain('1 of 2 scenarios have run.')
  const fetched: string[] = []
  let charts = 0
  await new HTMLRewriter()
    .on('script, link, img, iframe, [src], [href]', { element: ({ tagName }) => void fetched.push(tagName) })
    .on('svg[role=img][aria-labelledby]', { element: () => void charts++ })
    .transform(new Response(page))
    .text()
  expect(fetched).toEqual([])
  expect(charts).toBe(3)
  const described = [...page.matchAll(/<desc id="[^"]+">([^<]+)<\/desc>/g)].map(([, text]) => text)
  expect(described).toHaveLength(charts)
  expect(described.at(-1)).toBe('1.00 MB per minute by the fitted line, from 100 to 102 MB')
})

test('the page has a verdict for each budget, in the order of the budgets', async () => {
  const lines: string[] = []
  await new HTMLRewriter()
    .on('tbody tr:first-child td.verdict span', { text: ({ text }) => void (text && lines.push(text)) })
    .transform(new Response(html(report)))
    .text()
  expect(lines).toEqual(['MISSED', 'ok'])
})

test('what was not measured is a dash, and drawn nowhere', () => {
  const hung = {
    ...results[0]!.rows[0]!,
    rate: Number.NaN,
    cpu_us: Number.NaN,
    latency: latencyOf(new Float64Array()),
  }
  const of_hung = [{ ...results[0]!, rows: [hung, ...results[0]!.rows.slice(1)], series: [] }]
  expect(table(of_hung)).toMatch(/<b>own<\/b> +– +– +– +– +– +–/)
  expect(html({ ...report, results: of_hung })).not.toContain('NaN')
})

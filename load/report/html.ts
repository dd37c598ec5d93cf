import type { Result, Row } from '../scenario.ts'
import type { Report } from './report.ts'
import { STYLE } from './style.ts'
import { bars, escapeHtml, latencies, overTime } from './svg.ts'
import { COLUMNS, cells, judgements } from './table.ts'

/** A run as a page that needs nothing else: no network, no scripts, light or dark as the reader has it. */
export function html(report: Report): string {
  const { results, short, began_at, seconds, machine, wrong, scenarios } = report
  const some =
    results.length < scenarios.length ? ` ${results.length} of ${scenarios.length} scenarios have run.` : ''
  const judged = wrong.length === 0 ? 'All budgets met, nothing lost.' : `${wrong.length} missed or lost.`
  const outcome = judged + some
  const where =
    `${machine.cores} × ${machine.cpu}, ${machine.memory_gb} GB, Linux ${machine.kernel}, Bun ${machine.bun}, ` +
    `commit ${machine.commit}; ${began_at}, ${Math.round(seconds / 60)} minutes${short ? ', short form: budgets loosened by half' : ''}.`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mcp-broker under load: ${escapeHtml(outcome)}</title>
<style>${STYLE}</style>
<main>
<h1>mcp-broker under load</h1>
<p class="outcome ${wrong.length === 0 ? 'ok' : 'missed'}">${escapeHtml(outcome)}</p>
<p class="quiet">${escapeHtml(where)}</p>
<h2>All figures</h2>
${resultTable(results)}
${section('CPU per message or call', results.map(cpuChart))}
${section('Latency', [latencyChart(results)])}
${results.map(seriesCharts).join('\n')}
</main>
</html>
`
}

/** Nothing where there is nothing to show. */
function section(title: string, charts: readonly string[]): string {
  const drawn = charts.filter((chart) => chart !== '').join('\n')
  return drawn === '' ? '' : `<h2>${title}</h2>\n${drawn}`
}

function resultTable(results: readonly Result[]): string {
  const figures = new Set<string>(COLUMNS.slice(1))
  const head = ['scenario', ...COLUMNS, 'budget', 'verdict'].map(
    (name) => `<th scope="col"${figures.has(name) ? ' class="figure"' : ''}>${name}</th>`,
  )
  const groups = results.map(({ scenario, summary, rows }) => {
    const lines = rows.map((row, i) => {
      const [what, ...figures] = cells(row).map(escapeHtml)
      const name =
        i === 0
          ? `<th scope="rowgroup" rowspan="${rows.length}">${escapeHtml(scenario)}<small>${escapeHtml(summary)}</small></th>`
          : ''
      return `<tr>${name}<th scope="row">${what}</th>${figures.map((cell) => `<td class="figure">${cell}</td>`).join('')}${judged(row)}</tr>`
    })
    return `<tbody>${lines.join('\n')}</tbody>`
  })
  return `<section class="wide" aria-label="All figures" tabindex="0"><table><caption>Latencies from the intended send time; CPU of the server per message or call.</caption><thead><tr>${head.join('')}</tr></thead>${groups.join('\n')}</table></section>`
}

function judged(row: Row): string {
  const lines = judgements(row)
  const texts = lines.map(({ text }) => escapeHtml(text)).join('<br>')
  const verdicts = lines.map(({ verdict }) => {
    const tone = verdict === 'ok' ? 'ok' : verdict === verdict.toUpperCase() ? 'missed' : 'short'
    return `<span class="${tone}">${verdict}</span>`
  })
  return `<td class="budget">${texts}</td><td class="verdict">${verdicts.join('<br>')}</td>`
}

/** One bar for each row that has a CPU figure, where there are two to compare. */
function cpuChart({ scenario, rows }: Result): string {
  const all = rows.flatMap(({ what, cpu_us, reference }) =>
    cpu_us === undefined || Number.isNaN(cpu_us) ? [] : [{ label: what, value: cpu_us, own: !reference }],
  )
  return all.length < 2 ? '' : bars(scenario, 'µs', all)
}

function latencyChart(results: readonly Result[]): string {
  const all = results.flatMap(({ scenario, rows }) =>
    rows.flatMap(({ what, latency, reference }) =>
      latency === undefined || Number.isNaN(latency.max) || reference
        ? []
        : [{ label: `${scenario}: ${what}`, latency }],
    ),
  )
  return all.length === 0 ? '' : latencies('p50, p95, p99 (marks) and maximum (dot) of the broker', all)
}

function seriesCharts({ scenario, series }: Result): string {
  if (!series) return ''
  const charts = series.map(({ title, unit, points }) => overTime(`${title}, ${unit}`, unit, points))
  return `<h2>Over time: ${escapeHtml(scenario)}</h2>\n${charts.join('\n')}`
}

import { type Budget, budgetText, figure, isAimed, isMet, type Result, type Row } from '../scenario.ts'

export const COLUMNS = [
  'what',
  'rate/s',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'max ms',
  'CPU µs',
  'MB',
  'lost',
  'twice',
] as const

/** The figures of a row, in the order of {@link COLUMNS}; '' where there is none. */
export function cells(row: Row): string[] {
  const { what, rate, latency, cpu_us, memory_bytes, lost, twice } = row
  const measured = rate !== undefined || memory_bytes !== undefined
  return [
    what,
    rate === undefined ? '' : Number.isNaN(rate) ? '–' : Math.round(rate).toLocaleString('en'),
    ...[latency?.p50, latency?.p95, latency?.p99, latency?.max].map((ms) =>
      ms === undefined ? '' : Number.isNaN(ms) ? '–' : ms.toFixed(1),
    ),
    cpu_us === undefined ? '' : figure(cpu_us),
    memory_bytes === undefined ? '' : (memory_bytes / 1e6).toFixed(0),
    measured ? String(lost) : '',
    measured ? String(twice) : '',
  ]
}

/** A row in a line of its own. */
export function figures(row: Row): string {
  const [what, ...rest] = cells(row)
  const named = rest.flatMap((cell, i) => (cell === '' ? [] : [`${COLUMNS[i + 1]} ${cell}`]))
  return [what, ...named].join(', ')
}

/** How a row is judged by one of its budgets, or without; a reference needs no verdict. */
function verdict(row: Row, budget: Budget | undefined): string {
  if (row.broke !== undefined) return 'BROKE'
  if (!(row.lost <= 0 || row.reference)) return 'LOST'
  if (budget && !isMet(budget)) return 'MISSED'
  if (budget) return isAimed(budget) ? 'ok' : 'short of its aim'
  return row.reference || row.rate === undefined ? '' : 'ok'
}

/** What a row is held to, what is to be said of it, and the verdict: a line for each budget, one at least. */
export function judgements(row: Row): { text: string; verdict: string }[] {
  const told = [row.note, row.broke].filter((text) => text !== undefined).join(' ')
  const lines = row.budgets.map((budget) => ({ text: budgetText(budget), verdict: verdict(row, budget) }))
  if (lines.length === 0) return [{ text: told, verdict: verdict(row, undefined) }]
  return told === '' ? lines : [...lines, { text: told, verdict: '' }]
}

/** The results as one table, columns aligned; a row with several budgets takes a line for each. */
export function table(results: readonly Result[]): string {
  const lines = results.flatMap(({ scenario, rows }) =>
    rows.flatMap((row, i) => rowLines(i === 0 ? scenario : '', row)),
  )
  const all = [['scenario', ...COLUMNS, 'budget', 'verdict'], ...lines]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)))
  return all
    .map((line) =>
      line
        .map((cell, column) => aligned(cell, column, widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function rowLines(scenario: string, row: Row): string[][] {
  const blank = Array.from({ length: COLUMNS.length + 1 }, () => '')
  return judgements(row).map(({ text, verdict }, i) => [
    ...(i === 0 ? [scenario, ...cells(row)] : blank),
    text,
    verdict,
  ])
}

/** Words to the left, figures to the right. */
function aligned(cell: string, column: number, width: number): string {
  return column < 2 || column > COLUMNS.length ? cell.padEnd(width) : cell.padStart(width)
}

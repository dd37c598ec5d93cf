import {
  type Budget,
  budgetText,
  faults,
  figure,
  isAimed,
  isMet,
  type Result,
  type Row,
} from '../scenario.ts'

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
    rate === undefined ? '' : Math.round(rate).toLocaleString('en'),
    ...[latency?.p50, latency?.p95, latency?.p99, latency?.max].map((ms) =>
      ms === undefined ? '' : ms.toFixed(1),
    ),
    cpu_us === undefined ? '' : figure(cpu_us),
    memory_bytes === undefined ? '' : (memory_bytes / 1e6).toFixed(0),
    measured ? String(lost) : '',
    measured ? String(twice) : '',
  ]
}

/** How a row is judged, with its first budget; what it was measured for needs no verdict. */
export function verdict(row: Row, budget: Budget | undefined): string {
  if (row.broke !== undefined) return 'BROKE'
  if (row.lost > 0 && !row.reference) return 'LOST'
  if (budget && !isMet(budget)) return 'MISSED'
  if (budget) return isAimed(budget) ? 'ok' : 'short of its aim'
  return row.reference || row.rate === undefined ? '' : 'ok'
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
  const [first, ...others] = row.budgets
  const told = [row.note, row.broke].filter((text) => text !== undefined).join(' ')
  const head = [scenario, ...cells(row), first ? budgetText(first) : told, verdict(row, first)]
  const blank = Array.from({ length: COLUMNS.length + 1 }, () => '')
  const lines = [head, ...others.map((budget) => [...blank, budgetText(budget), verdict(row, budget)])]
  if (first && told) lines.push([...blank, told, ''])
  return lines
}

/** Words to the left, figures to the right. */
function aligned(cell: string, column: number, width: number): string {
  return column < 2 || column > COLUMNS.length ? cell.padEnd(width) : cell.padStart(width)
}

/** Whether all of a row is as it should be. */
export function passed(row: Row): boolean {
  return faults(row).length === 0
}

import { StartRefused } from '../../core/errors.ts'
import { loadedText } from '../../core/loading.ts'
import type { Checked } from '../../engine/journal/upkeep/check.ts'
import type { Counts } from '../../engine/journal/upkeep/holding.ts'
import type { Gap } from '../../engine/journal/upkeep/salvage.ts'
import { oneLine, table } from '../render.ts'
import type { Terminal } from '../terminal.ts'
import { CliError } from '../verb.ts'

/** What is wrong, a line for each place; in a pipe: damage, file, offset, bytes, frames, what; with tabs. */
export function printDamage(damage: readonly Gap[], terminal: Terminal): void {
  for (const { file, offset, bytes, frames, what } of damage)
    if (terminal.interactive) {
      const lost = frames === undefined || frames === 0 ? '' : `, ${frames} frames lost`
      const skipped = bytes > 0 ? `, ${bytes} bytes skipped` : ''
      terminal.out(oneLine(`damage: ${file} at byte ${offset}: ${what}${skipped}${lost}`))
    } else
      terminal.out(
        ['damage', file, offset, bytes, frames ?? '', what].map((cell) => oneLine(`${cell}`)).join('\t'),
      )
}

/** What there is, a line for each number. */
export function printCounts({ astray, ...counts }: Counts, terminal: Terminal): void {
  const rows = Object.entries(astray > 0 ? { ...counts, astray } : counts)
  table(
    terminal,
    ['WHAT', 'NUMBER'],
    rows.map(([name, number]) => [name, String(number)]),
  )
}

/** How much a directory holds. */
export function printChecked({ counts, segments, bytes, torn }: Checked, terminal: Terminal): void {
  printCounts(counts, terminal)
  for (const row of [
    ['segments', String(segments)],
    ['bytes', String(bytes)],
  ])
    terminal.out(row.join(terminal.interactive ? '  ' : '\t'))
  if (torn)
    terminal.err(
      `${torn.file} ends at byte ${torn.offset} with a write that was broken off, of ${torn.bytes} bytes: the next start cuts it off.`,
    )
}

/** Shows how far a log has been read, on a terminal. */
export function readingProgress(terminal: Terminal): (read: number, total: number) => void {
  return (read, total) => {
    if (!terminal.interactive) return
    terminal.moving(read < total ? `Reading: ${loadedText(read, total)}` : undefined)
  }
}

/** Why a directory is refused, as an error of the command line; other errors are given back as they are. */
export function refusedDirectory(error: unknown): unknown {
  return error instanceof StartRefused
    ? new CliError(error.message, error.fix ?? 'Nothing was changed there.')
    : error
}

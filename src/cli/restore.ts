import { createReadStream, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { version } from '../../package.json'
import { printChecked, readingProgress, refusedDirectory } from './data/telling.ts'
import { PROGRAM, quoted } from './program.ts'
import { EXIT } from './terminal.ts'
import { CliError, isOn, type Verb } from './verb.ts'

export const restore: Verb = {
  name: 'restore',
  summary: 'Make a data directory of a backup.',
  args: 'FILE DIR',
  positionals: [2, 2],
  examples: [
    [`${PROGRAM} restore monday.tar ./data`, 'DIR is empty, or not there yet'],
    [`zstd -dc monday.tar.zst | ${PROGRAM} restore - ./data`, 'from standard input'],
    [`${PROGRAM} serve --data-dir ./data`, 'and then'],
  ],
  notes: [
    'Each file is held to the size and the CRC-32 that the broker gave it, and the whole is read as a start would ' +
      'read it; a backup that is not whole leaves nothing behind.',
    'Nobody knows what was read and sent since the backup was taken: messages that were acknowledged since come ' +
      'again, and readers cannot resume by cursor.',
  ],
  flags: { json: { kind: 'switch', help: 'JSON for programs, errors too.' } },
  async run(line, { terminal }) {
    const [file, directory] = line.positionals as [string, string]
    const { BackupRefused } = await import('../engine/journal/upkeep/received.ts')
    const { restoreBackup } = await import('../engine/journal/upkeep/restore-backup.ts')
    const options = { now: Date.now(), progress: readingProgress(terminal) }
    const by = `mcp-broker ${version}`
    const { manifest, checked } = await restoreBackup(chunksOf(file), directory, by, options).catch(
      (error: unknown) => {
        if (error instanceof BackupRefused)
          throw new CliError(error.message, `Nothing was left in ${directory}. Take another backup.`)
        throw refusedDirectory(error)
      },
    )
    const { taken_at } = manifest
    if (isOn(line, 'json'))
      terminal.out(JSON.stringify({ directory: resolve(directory), taken_at, ...checked }))
    else {
      printChecked(checked, terminal)
      terminal.err(`As of ${taken_at}. Start it with: ${PROGRAM} serve --data-dir ${quoted(directory)}`)
    }
    return EXIT.ok
  },
}

/** @throws CliError for a file that cannot be read */
function chunksOf(file: string): AsyncIterable<Uint8Array> {
  if (file === '-') return Bun.stdin.stream()
  try {
    return createReadStream(file, { fd: openSync(file, 'r'), highWaterMark: CHUNK_BYTES })
  } catch (error) {
    throw new CliError(
      `${file} cannot be read: ${(error as Error).message}.`,
      'Name a file that "backup" made.',
    )
  }
}

const CHUNK_BYTES = 256 * 1024

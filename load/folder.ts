import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder for a server's own files, which goes when the driver does. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'load-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

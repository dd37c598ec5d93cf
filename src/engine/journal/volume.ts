import { bootId } from './directory/boot-id.ts'
import { openDirectory } from './directory/directory.ts'
import type { Volume } from './journal.ts'
import { NodeDisk } from './log/node-disk.ts'

/**
 * Opens a data directory, and makes it if it is not there.
 *
 * @param by who writes to it, such as `mcp-broker 1.2.3`
 * @throws DirectoryError
 */
export function openVolume(path: string, by: string): Volume {
  const directory = openDirectory(path, by)
  return { path, disk: new NodeDisk(path), boot_id: bootId(), close: () => directory.close() }
}

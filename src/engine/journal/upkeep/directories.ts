import { NodeDisk } from '../log/node-disk.ts'
import { type Checked, type CheckOptions, check } from './check.ts'
import { whileQuiet } from './quiet-directory.ts'
import { type Repaired, type RepairOptions, repair } from './repair.ts'

/**
 * Checks a data directory that no broker has. Changes nothing.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @throws DirectoryError
 */
export function checkDirectory(path: string, by: string, options: CheckOptions): Promise<Checked> {
  return whileQuiet(path, by, async ({ path: at, format_damage }) => {
    const checked = await check(new NodeDisk(at), options)
    return format_damage ? { ...checked, damage: [format_damage, ...checked.damage] } : checked
  })
}

/** Repairs a data directory that no broker has. @throws DirectoryError; the error of the file system */
export function repairDirectory(path: string, options: RepairOptions): Promise<Repaired> {
  return whileQuiet(path, options.by, (directory) => repair(directory, options))
}

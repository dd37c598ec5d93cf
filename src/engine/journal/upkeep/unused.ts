import { readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { StartRefused } from '../../../core/errors.ts'
import { numberOf } from '../log/segments.ts'
import { checkDirectory } from './directories.ts'

/**
 * Looks into a data directory that a start does not use.
 *
 * @param by this version, such as `mcp-broker 1.2.3`
 * @throws StartRefused where it holds messages, which nobody would deliver
 * @throws DirectoryError
 */
export async function refuseMessagesIn(path: string, by: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  if (!readdirSync(path).some((name) => numberOf(name) !== undefined)) return
  const { counts } = await checkDirectory(path, by, { now: Date.now() })
  const { pending, leased, delayed, dead_letters } = counts
  const messages = pending + leased + delayed + dead_letters
  if (messages === 0) return
  throw new StartRefused(
    `There is a redis_url, and the data_dir ${resolve(path)} holds ${messages} messages, which would stay there.`,
    'Start without redis_url until they are read, or leave data_dir out to let them lie.',
  )
}

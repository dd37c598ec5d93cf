import { SETTINGS_BY_KEY } from '../src/config/settings.ts'
import { diskFolder } from './folder.ts'
import { BROKER_ENV, brokerCommand } from './peers/broker.ts'
import { Server } from './server.ts'

/**
 * Where a broker keeps what it is sent: in memory alone, or on disk, synced each second or before a receipt
 * leaves.
 */
export const KEEPINGS = ['memory', 'normal', 'full'] as const
export type Keeping = (typeof KEEPINGS)[number]

/** Where the brokers of the soak keep messages: a single one as above, or two in one Redis server. */
export const SOAK_KEEPINGS = [...KEEPINGS, 'redis'] as const
export type SoakKeeping = (typeof SOAK_KEEPINGS)[number]

export const NOT_AVAILABLE = 'not available: this broker cannot keep messages on disk'

/**
 * Whether this broker knows the settings that it takes. One that knows them and does not start is a fault.
 */
export function isAvailable(keeping: SoakKeeping): boolean {
  if (keeping === 'redis') return SETTINGS_BY_KEY.has('redis_url')
  return keeping === 'memory' || (SETTINGS_BY_KEY.has('data_dir') && SETTINGS_BY_KEY.has('journal_sync'))
}

/** The flags of a broker that keeps messages so. @param data_dir a folder of its own */
export function keepingFlags(keeping: Keeping, data_dir: string): string[] {
  return keeping === 'memory' ? [] : ['--data-dir', data_dir, '--journal-sync', keeping]
}

/**
 * Starts a broker on a folder of its own, which goes with it.
 *
 * @returns undefined where it is not available
 */
export async function startKeeping(keeping: Keeping): Promise<Server | undefined> {
  if (!isAvailable(keeping)) return undefined
  const folder = diskFolder()
  const server = await Server.start(brokerCommand(keepingFlags(keeping, folder)), BROKER_ENV, folder)
  return server.ready()
}

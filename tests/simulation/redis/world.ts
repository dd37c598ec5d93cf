import type { World } from '../instances/world.ts'
import type { Channels } from './channels.ts'
import type { Bug, RedisFaults } from './faults.ts'
import type { Mirror } from './mirror.ts'

/** Of all keys and channels. */
export const PREFIX = 'sim:'

/** What instances over one Redis have of the cluster. */
export interface RedisWorld extends World {
  readonly redis_faults: RedisFaults
  readonly mirror: Mirror
  readonly channels: Channels
  readonly bug: Bug | undefined
  /** Names the history of the server that answers at present. */
  readonly generation: () => string
}

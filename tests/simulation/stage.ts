/** How far something has come: done in memory; written, to outlive the process; synced, the machine. */
export type Stage = 0 | 1 | 2
export const DONE = 0
export const WRITTEN = 1
export const SYNCED = 2

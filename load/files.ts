import { readFileSync } from 'node:fs'

/** Files that the driver and a server have open besides connections, and some to spare. */
export const SPARE_FILES = 200

/** Files that this process, and each that it starts, may have open. Source: proc(5). */
export function openFilesMax(): number {
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

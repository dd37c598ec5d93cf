import { readFileSync } from 'node:fs'

/**
 * The id of this machine's boot, which Linux makes anew at each one (proc(5)). Containers have the id of the
 * machine that they run on.
 *
 * @param file where the kernel tells it
 * @returns undefined where there is none, as on macOS
 */
export function bootId(file = '/proc/sys/kernel/random/boot_id'): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

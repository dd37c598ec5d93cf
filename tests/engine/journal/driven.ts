import type { VirtualDisk } from './virtual-disk.ts'

/** Lets everything run that is not waiting for the disk. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Lets the disk work until a promise is settled. @returns undefined when the process died meanwhile */
export async function driven<T>(disk: VirtualDisk, promise: Promise<T>): Promise<T | undefined> {
  let done = false
  let thrown: unknown
  const value = promise.then(
    (result) => {
      done = true
      return result
    },
    (error) => {
      done = true
      thrown = error
      return undefined
    },
  )
  for (;;) {
    await turn()
    if (disk.dead) return undefined
    if (done) break
    disk.step()
  }
  if (thrown !== undefined) throw thrown
  return value
}

/** Lets the disk do all that was asked of it. */
export async function finished(disk: VirtualDisk): Promise<void> {
  for (await turn(); disk.pending > 0; await turn()) disk.step()
}

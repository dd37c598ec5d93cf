import type { Opened } from './opener.ts'

const OPENER = new URL('./opener.ts', import.meta.url).pathname

/** A process that opens a directory, and holds it if it can. */
export interface Opener {
  readonly opened: Opened
  /** Has it close the directory, and waits for its end. */
  close(): Promise<void>
  /** `kill -9`, and its end. */
  kill(): Promise<void>
}

/**
 * Opens a directory in a process of its own.
 *
 * @param mounts shell commands that change, for it alone, what is mounted
 * @param rights `unprivileged`: as a user who is not root, whom permissions stop
 */
export async function openElsewhere(path: string, mounts?: string, rights = 'own'): Promise<Opener> {
  const line = [process.execPath, OPENER, path, rights]
  const child = Bun.spawn(mounts === undefined ? line : withMounts(`${mounts} && exec "$@"`, line), {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read()
  return {
    opened: JSON.parse(value ?? 'null') as Opened,
    close: async () => {
      await child.stdin.end()
      await child.exited
    },
    kill: async () => {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/**
 * Whether this user may mount something for a process of its own: root, and others where the system lets
 * them.
 */
export function mayMount(): boolean {
  try {
    return Bun.spawnSync(withMounts('mount -t tmpfs none /mnt', [])).success
  } catch {
    return false
  }
}

function withMounts(script: string, line: readonly string[]): string[] {
  return ['unshare', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', ...line]
}

/** What a user who is not root is told who wants to open a directory. */
export async function openUnprivileged(path: string): Promise<Opened> {
  const opener = await openElsewhere(path, undefined, 'unprivileged')
  await opener.close()
  return opener.opened
}

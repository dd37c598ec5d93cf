import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Something that is mounted until it is disposed of. */
export class Mount implements Disposable {
  static readonly #all = new Set<string>()

  private constructor(readonly path: string) {
    Mount.#all.add(path)
  }

  /** Takes all away, in use or not. */
  static removeAll(): void {
    for (const path of [...Mount.#all].reverse()) Bun.spawnSync(['umount', '--lazy', path])
  }

  /** A file system in memory. @param size bytes, as `mount` takes them, such as `64m` */
  static tmpfs(root: string, size: string): Mount {
    return Mount.#at(root, 'tmpfs', ['-t', 'tmpfs', '-o', `size=${size}`, 'none'])
  }

  /** An ext4 in a file. @param megabytes of the file */
  static ext4(root: string, megabytes: number): Mount {
    const image = join(root, 'image')
    writeFileSync(image, '')
    truncateSync(image, megabytes * 1024 * 1024)
    system('mkfs.ext4', '-q', image)
    return Mount.again(root)
  }

  /** The ext4 of this file once more, checked and repaired first. */
  static again(root: string): Mount {
    const image = join(root, 'image')
    // Ends with 1 where it has repaired something.
    Bun.spawnSync(['e2fsck', '-p', image], { stdout: 'ignore', stderr: 'ignore' })
    return Mount.#at(root, 'ext4', ['-o', 'loop', image])
  }

  /** A directory once more, at another place. */
  static bind(root: string, directory: string): Mount {
    return Mount.#at(root, 'bound', ['--bind', directory])
  }

  static #at(root: string, name: string, what: readonly string[]): Mount {
    const path = join(root, name)
    mkdirSync(path, { recursive: true })
    system('mount', ...what, path)
    return new Mount(path)
  }

  /** @returns what the system said against it; undefined if it did it */
  remount(options: string): string | undefined {
    const { success, stderr } = Bun.spawnSync(['mount', '-o', `remount,${options}`, this.path])
    return success ? undefined : stderr.toString()
  }

  [Symbol.dispose](): void {
    Mount.#all.delete(this.path)
    const { success } = Bun.spawnSync(['umount', this.path], { stderr: 'ignore' })
    if (!success) system('umount', '--lazy', this.path)
  }
}

/** @throws Error if it does not end with 0 */
function system(...line: string[]): void {
  const { success, stderr } = Bun.spawnSync(line)
  if (!success) throw new Error(`${line.join(' ')}: ${stderr.toString()}`)
}

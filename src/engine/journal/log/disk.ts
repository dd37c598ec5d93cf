/**
 * Files in one directory, as the log sees them. Names are plain file names. What throws has the `code` of
 * the system, such as `ENOSPC`.
 */
export interface Disk {
  /**
   * Writes at an offset; makes the file when it is not there.
   *
   * @returns bytes written, which may be fewer than there are, and never 0 for something
   */
  write(file: string, at: number, bytes: Uint8Array): number
  /** Brings what was written to a file, and its size, to the disk. Its name needs {@link syncDirectory}. */
  sync(file: string): Promise<void>
  /**
   * Does as {@link sync}, on this thread, where that is quicker than to have another do it.
   *
   * @returns false: it is not, and nothing was done
   */
  syncHere(file: string): boolean
  truncate(file: string, size: number): void
  /** Replaces `to` if it is there. */
  rename(from: string, to: string): void
  remove(file: string): void
  /** Brings names that were made, changed or removed to the disk. */
  syncDirectory(): Promise<void>
  list(): readonly { readonly name: string; readonly size: number }[]
  /** @returns fewer bytes than `length` where the file ends; they may be overwritten by the next call */
  read(file: string, at: number, length: number): Uint8Array
  /** Makes a file of zeros and syncs it, off the event loop. Nothing is left of it when it fails. */
  prepare(file: string, size: number): Promise<void>
  /** Bytes that are free. */
  free(): number
  /** The file is not written to any more; it may be read and removed. */
  close(file: string): void
}

/** The system's code of an error, such as `ENOSPC`; the error itself as text where it has none. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : String(error)
}

/** Writes all of `bytes`. @throws what the disk throws; some of it may have been written */
export function writeAll(disk: Disk, file: string, at: number, bytes: Uint8Array): void {
  let done = 0
  while (done < bytes.length) done += disk.write(file, at + done, done === 0 ? bytes : bytes.subarray(done))
}

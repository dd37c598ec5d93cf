import { StartRefused } from '../../../core/errors.ts'

/** Why a directory cannot be used as the data directory. */
export type DirectoryTrouble =
  | 'no_parent'
  | 'not_a_directory'
  | 'not_writable'
  | 'newer_format'
  | 'not_ours'
  | 'held'
  | 'no_space'
  | 'unusable'

/** A data directory is refused. The message is one sentence: what is wrong, where, and what to do. */
export class DirectoryError extends StartRefused {
  constructor(
    readonly trouble: DirectoryTrouble,
    message: string,
  ) {
    super(message)
    this.name = 'DirectoryError'
  }
}

const OTHER = 'choose another data directory'

/**
 * What the operating system refused, as a {@link DirectoryError}; errors without a code are given back as
 * they are.
 */
export function fromSystem(error: unknown, path: string): unknown {
  const { code, path: at = path, message } = error as NodeJS.ErrnoException
  if (error instanceof DirectoryError || code === undefined) return error
  switch (code) {
    case 'EROFS':
      return new DirectoryError(
        'not_writable',
        `The data directory ${path} is on a file system that is read-only (EROFS): mount it writable, or ${OTHER}.`,
      )
    case 'EACCES':
    case 'EPERM':
      return new DirectoryError(
        'not_writable',
        `This user may not read and write ${at} (${code}), which the data directory ${path} needs: grant that, or ${OTHER}.`,
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return new DirectoryError(
        'no_space',
        `There is no space left for the data directory ${path} (${code}): make room there, or ${OTHER}.`,
      )
    default:
      return new DirectoryError(
        'unusable',
        `The data directory ${path} cannot be used (${message}): mend that, or ${OTHER}.`,
      )
  }
}

/** @param code what the operating system answered when the directory was to be made */
export function noParent(path: string, parent: string, code: 'ENOENT' | 'ENOTDIR'): DirectoryError {
  return new DirectoryError(
    'no_parent',
    `The data directory ${path} cannot be made, as ${parent} is not a directory (${code}): make that first, or ${OTHER}.`,
  )
}

export function notADirectory(path: string): DirectoryError {
  return new DirectoryError('not_a_directory', `${path} is not a directory, and cannot hold data: ${OTHER}.`)
}

/** @param name of something in it that mcp-broker did not make */
export function notOurs(path: string, name: string): DirectoryError {
  return new DirectoryError(
    'not_ours',
    `${path} is no data directory of mcp-broker, as ${JSON.stringify(name)} is in it: choose an empty directory, or one that is not there yet.`,
  )
}

/** @param theirs what wrote the directory, such as `mcp-broker 2.0.0` @param ours what is running */
export function newerFormat(path: string, format: number, theirs: string, ours: string): DirectoryError {
  return new DirectoryError(
    'newer_format',
    `The data directory ${path} has format ${format}, which ${ours} does not know: start ${theirs} or a later version, or ${OTHER}.`,
  )
}

/** @param pid of the process that has it; undefined if it did not say */
export function heldBy(path: string, pid: number | undefined): DirectoryError {
  const who = pid === undefined ? 'another process' : `process ${pid}`
  return new DirectoryError(
    'held',
    `The data directory ${path} is in use by ${who}: stop that first, or ${OTHER}.`,
  )
}

/** @param code of SQLite, such as `SQLITE_IOERR_LOCK` */
export function noLocks(path: string, code: string): DirectoryError {
  return new DirectoryError(
    'unusable',
    `The file ${path}/lock cannot be locked (${code}): choose a data directory on a local file system.`,
  )
}

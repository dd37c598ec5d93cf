import type { Level } from '../log/boot.ts'
import type { Position } from '../log/frame.ts'
import { numberOf } from '../log/segments.ts'

/** A file in a backup. */
export interface Listed {
  readonly name: string
  readonly size: number
  /** 8 hexadecimal digits. */
  readonly crc32: string
}

/** The last file of a backup, which says what the others have to be. */
export interface Manifest {
  /** Of this form. */
  readonly backup: typeof BACKUP
  /** What wrote it, such as `mcp-broker 1.2.3`. */
  readonly by: string
  /** When it was begun, RFC 3339. */
  readonly taken_at: string
  readonly level: Level
  /** The end of the log. */
  readonly end: Position
  readonly files: readonly Listed[]
}

export const BACKUP = 1
export const MANIFEST = 'manifest.json'
/** Enough for a hundred thousand segments. */
export const MANIFEST_BYTES_MAX = 8 * 1024 * 1024

export function crcText(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

/** @returns undefined for what is no manifest, or one of a later form */
export function parseManifest(json: string): Manifest | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  return isManifest(value) ? value : undefined
}

function isManifest(value: unknown): value is Manifest {
  if (!isObject(value) || !isObject(value.end) || !Array.isArray(value.files)) return false
  const { backup, by, taken_at, level, end, files } = value
  return (
    backup === BACKUP &&
    typeof by === 'string' &&
    typeof taken_at === 'string' &&
    (level === 'normal' || level === 'full') &&
    isCount(end.segment) &&
    isCount(end.offset) &&
    files.every(isListed) &&
    segmentsFit(files, end as unknown as Position)
  )
}

function isListed(value: unknown): value is Listed {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    isCount(value.size) &&
    typeof value.crc32 === 'string' &&
    /^[0-9a-f]{8}$/.test(value.crc32)
  )
}

/** `format`, and segments without a gap up to the end. */
function segmentsFit(files: readonly Listed[], end: Position): boolean {
  const [format, ...segments] = files
  const last = segments.at(-1)
  if (format?.name !== 'format' || !last || last.size !== end.offset) return false
  const numbers = segments.map(({ name }) => numberOf(name))
  return numbers.at(-1) === end.segment && numbers.every((number, i) => number === numbers[0]! + i)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

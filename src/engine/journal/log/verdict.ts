import type { BootNote } from './boot.ts'
import { Damage } from './damage.ts'
import { claimedLength, HEAD_BYTES, type Position } from './frame.ts'
import { findVoucher, type SegmentFile } from './scan.ts'

/**
 * Judges what stands where the next frame would. A torn tail is what a process that died in the middle of a
 * write leaves, or a machine that lost what was not synced; anything else is damage.
 *
 * @param end of the last good frame
 * @param files the segment that it is in, and all later ones
 * @param boot what the last process noted
 * @param same_boot the machine has not been started since
 * @returns bytes of the torn tail, 0 if there is none
 * @throws Damage
 */
export async function tornBytes(
  end: Position,
  files: readonly SegmentFile[],
  boot: BootNote | undefined,
  same_boot: boolean,
): Promise<number> {
  const [file, ...later] = files as [SegmentFile, ...SegmentFile[]]
  const damage = (what: string) => new Damage(file.name, end.offset, what)
  const clean = boot?.clean
  if (clean && (clean.segment !== end.segment || clean.offset !== end.offset))
    throw damage(`the log ended at byte ${clean.offset} of segment ${clean.segment} when it was stopped`)
  let bytes = (await file.endOfContent(end.offset)) - end.offset
  const later_bytes: number[] = []
  for (const each of later) later_bytes.push(await each.endOfContent(0))
  for (const more of later_bytes) bytes += more
  if (bytes === 0) return 0
  if (clean) throw damage('something was written here since the log was stopped')
  for (const each of files) {
    const from = each === file ? end.offset : 0
    const found = await findVoucher(each, from, same_boot ? undefined : end)
    if (found !== undefined)
      throw damage(`this was written whole before what ${each.name} holds at byte ${found}`)
  }
  if (same_boot && !(await isOneTornFrame(end.offset, files, later_bytes)))
    throw damage('no write that was broken off leaves this')
  return bytes
}

/** All that is not zero lies where one frame would be that was broken off: at the end, or in the next segment. */
async function isOneTornFrame(
  end: number,
  [file, ...later]: readonly SegmentFile[],
  later_bytes: readonly number[],
): Promise<boolean> {
  const content_end = await file!.endOfContent(end)
  const [torn, from, to, rest] =
    content_end > end || later.length === 0
      ? [file!, end, content_end, later_bytes]
      : [later[0]!, 0, later_bytes[0]!, later_bytes.slice(1)]
  if (rest.some((bytes) => bytes > 0)) return false
  const head = (await torn.from(from, HEAD_BYTES)).subarray(0, HEAD_BYTES)
  const whole = new Uint8Array(HEAD_BYTES)
  whole.set(head)
  return to <= from + claimedLength(whole, 0)
}

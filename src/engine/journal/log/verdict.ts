import type { BootNote } from './boot.ts'
import { Damage } from './damage.ts'
import { claimedLength, HEAD_BYTES, type Position } from './frame.ts'
import { findVoucher, type SegmentFile } from './scan.ts'

/** A torn tail that is cut off. */
export interface Cut {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  /** In this file and all later ones. */
  readonly bytes: number
}

/**
 * Judges what stands where the next frame would. A torn tail is what a process that died in the middle of a
 * write leaves, or a machine that lost what was not synced; anything else is damage.
 *
 * @param end of the last good frame
 * @param files the segment that it is in, and all later ones
 * @param boot what the last process noted
 * @param same_boot the machine has not been started since
 * @returns the torn tail, if there is one
 * @throws Damage
 */
export async function tornTail(
  end: Position,
  files: readonly SegmentFile[],
  boot: BootNote | undefined,
  same_boot: boolean,
): Promise<Cut | undefined> {
  const contents: number[] = []
  let bytes = 0
  for (const [i, each] of files.entries()) {
    const from = i === 0 ? end.offset : 0
    contents.push(await each.endOfContent(from))
    bytes += contents[i]! - from
  }
  // Where the frame begins that is not good: behind the last one, or in the next segment.
  const next = files.length > 1 && contents[0] === end.offset && bytes > 0 ? 1 : 0
  const file = files[next]!
  const offset = next === 0 ? end.offset : 0
  const damage = (what: string) => new Damage(file.name, offset, what)
  const clean = boot?.clean
  if (clean && (clean.segment !== end.segment || clean.offset !== end.offset))
    throw damage(`the log ended at byte ${clean.offset} of segment ${clean.segment} when it was stopped`)
  if (bytes === 0) return undefined
  if (clean) throw damage('something was written here since the log was stopped')
  for (const each of files) {
    const from = each === files[0] ? end.offset : 0
    const found = await findVoucher(each, from, same_boot ? undefined : end)
    if (found !== undefined)
      throw damage(`this was written whole before what ${each.name} holds at byte ${found}`)
  }
  const torn = { file: file.name, offset, bytes }
  if (!same_boot) return torn
  const rest = contents.slice(next + 1)
  if (rest.some((content) => content > 0) || !(await isOneFrame(file, offset, contents[next]!)))
    throw damage('no write that was broken off leaves this')
  return torn
}

/** All that is not zero lies where one frame would be that was broken off. */
async function isOneFrame(file: SegmentFile, from: number, to: number): Promise<boolean> {
  const head = (await file.from(from, HEAD_BYTES)).subarray(0, HEAD_BYTES)
  const whole = new Uint8Array(HEAD_BYTES)
  whole.set(head)
  return to <= from + claimedLength(whole, 0)
}

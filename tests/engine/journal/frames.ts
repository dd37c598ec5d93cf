import { type Frame, HEAD_BYTES } from '../../../src/engine/journal/log/frame.ts'

/** A frame of effects and appends, both text. */
export function frame(effects: string, appends = ''): Frame {
  const bytes = new TextEncoder().encode('\0'.repeat(HEAD_BYTES) + effects + appends)
  return { bytes, length: bytes.length, appends_at: bytes.length - new TextEncoder().encode(appends).length }
}

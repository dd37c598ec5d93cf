/** Bytes before the body of a frame. */
export const HEAD_BYTES = 24

/** The bytes of one frame, gathered during a turn. The log writes its header into the first of them. */
export interface Frame {
  readonly bytes: Uint8Array
  /** End of what is used. */
  readonly length: number
  /** Effects lie before this, appends from here on. */
  readonly appends_at: number
}

import { formatCursor } from '../../src/core/cursor.ts'
import { payloadJson } from '../open-loop.ts'
import type { Micro } from './bench.ts'
import { FakeSockets } from './fake-socket.ts'

const FRAMES = 100
const PER_FRAME = 10

/** Frames of messages whose JSON is there already: composed, and encoded as a socket would. */
export const frames: Micro = {
  name: 'compose frames of 10 messages',
  item: 'message',
  items: FRAMES * PER_FRAME,
  prepare() {
    const connection = new FakeSockets().open()
    connection.batch = true
    const messages = Array.from({ length: PER_FRAME }, (_, n) => payloadJson(n, 0, 350))
    let offset = 0
    return () => {
      for (let frame = 0; frame < FRAMES; frame++) {
        for (const json of messages) connection.message(formatCursor('micro00000', ++offset), json)
        connection.flush()
      }
    }
  },
}

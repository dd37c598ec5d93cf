import { Checkers } from '../../../src/broker/validation/checkers.ts'
import { READY, type Task } from '../../../src/broker/validation/messages.ts'

declare const self: Worker

const PAGE_BYTES = 4096

/** A validation worker with faults. A task has the fault that its key, or its schema's `$comment`, names. */
const FAULTS: Readonly<Record<string, () => void>> = {
  throws: () => {
    throw new Error('on fire')
  },
  loops: () => {
    for (;;);
  },
  exits: () => process.exit(3),
  /** In native code, where `terminate` cannot reach it. */
  sticks: () => Bun.sleepSync(2500),
  dawdles: () => Bun.sleepSync(150),
  grows: () => {
    const held = new Uint8Array(400_000_000)
    // One byte of each page is enough for the page to be there, and takes the least time.
    for (let at = 0; ; at = (at + PAGE_BYTES) % held.length) held[at] = 1
  },
}

const checkers = new Checkers()
self.onmessage = (event: MessageEvent<Task>) => {
  const task = event.data
  const named =
    task.do === 'check' ? task.key : task.do === 'compare' ? '' : String(JSON.parse(task.schema).$comment)
  FAULTS[named]?.()
  self.postMessage(checkers.answer(task))
}
self.postMessage(READY)

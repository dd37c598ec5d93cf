import { Checkers } from './checkers.ts'
import { READY, type Task } from './messages.ts'

declare const self: Worker

/** A task that took longer has left garbage behind, and may be the last one for a while. */
const LONG_MS = 5

/** The entry of the validation worker. The build names it as a second entry point, next to main. */
const checkers = new Checkers()
self.onmessage = (event: MessageEvent<Task>) => {
  const began_ms = performance.now()
  self.postMessage(checkers.answer(event.data))
  if (performance.now() - began_ms > LONG_MS) Bun.gc(true)
}
self.postMessage(READY)

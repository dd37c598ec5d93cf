import { Checkers } from './checkers.ts'
import { READY, type Task } from './messages.ts'

declare const self: Worker

/** The entry of the validation worker. The build names it as a second entry point, next to main. */
const checkers = new Checkers()
self.onmessage = (event: MessageEvent<Task>) => self.postMessage(checkers.answer(event.data))
self.postMessage(READY)

import type { Logger } from 'pino'
import { loadedText } from '../core/loading.ts'
import type { Terminal } from './terminal.ts'

/** How often at most it is told: by a line that moves, and by a line of the log. */
const MOVES_MS = 100
const LOGS_MS = 1000

/** Tells how far a start has come: on a terminal in a line that moves, otherwise in the log. */
export class LoadingProgress {
  readonly #interval_ms: number
  #due_ms: number
  #shown = false

  constructor(
    private readonly terminal: Terminal,
    private readonly log: Logger,
    private readonly now: () => number = performance.now.bind(performance),
  ) {
    this.#interval_ms = terminal.interactive ? MOVES_MS : LOGS_MS
    // A start that is over sooner than this has nothing to tell.
    this.#due_ms = now() + this.#interval_ms
  }

  readonly progress = (loaded_bytes: number, total_bytes: number): void => {
    if (loaded_bytes >= total_bytes) {
      // What is logged from then on must not be written over the line.
      this.end()
      return
    }
    const now = this.now()
    if (now < this.#due_ms) return
    this.#due_ms = now + this.#interval_ms
    if (this.terminal.interactive) {
      this.terminal.moving(`Loading what is stored: ${loadedText(loaded_bytes, total_bytes)}`)
      this.#shown = true
    } else this.log.info({ loaded_bytes, total_bytes }, 'loading')
  }

  /** Takes the line that moves away. */
  end(): void {
    if (this.#shown) this.terminal.moving(undefined)
    this.#shown = false
  }
}

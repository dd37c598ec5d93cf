/**
 * A clock that is read once in a turn of the event loop, in milliseconds since the epoch. Reading the system
 * clock stalls the processor: two readings for each message cost more than storing the message.
 */
export function turnClock(): () => number {
  let now_ms: number | undefined
  const forget = () => {
    now_ms = undefined
  }
  return () => {
    if (now_ms === undefined) {
      now_ms = Date.now()
      setImmediate(forget)
    }
    return now_ms
  }
}

/** Calls `run` once, so many milliseconds from now. @returns a function that has it not called */
export type Timer = (run: () => void, ms: number) => () => void

export const systemTimer: Timer = (run, ms) => {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

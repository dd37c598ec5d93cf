/**
 * The time in milliseconds since the epoch, read once in a turn of the event loop. Reading a clock makes the processor finish all
 * it has begun: twice for each message, that costs more than storing it.
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

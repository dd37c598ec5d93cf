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

/** The most nodes of a payload that is held to a schema. */
export const TYPED_NODES_MAX = 20_000

/** Characters of text that are as much work as one node. */
const CHARS_PER_NODE = 64

/**
 * How many nodes a JSON value has: itself, and each value inside it. Counting stops above the limit.
 *
 * @returns the count, or a number above `limit`
 */
export function nodesWithin(value: unknown, limit: number): number {
  return count(value, limit, false)
}

/**
 * How much there is to check in a JSON value: its nodes, and one more for each 64 characters of its texts and
 * names. Times the weight of a schema, it bounds the time of a check. Counting stops above the limit.
 *
 * @returns the count, or a number above `limit`
 */
export function effortWithin(value: unknown, limit: number): number {
  return count(value, limit, true)
}

/** Without recursion, so that no depth is too much. */
function count(value: unknown, limit: number, texts: boolean): number {
  let nodes = 0
  const waiting = [value]
  while (waiting.length > 0 && nodes <= limit) {
    const next = waiting.pop()
    nodes++
    if (typeof next === 'string') {
      if (texts) nodes += Math.floor(next.length / CHARS_PER_NODE)
    } else if (Array.isArray(next)) {
      if (next.length > limit) return nodes + next.length
      for (const item of next) waiting.push(item)
    } else if (typeof next === 'object' && next !== null)
      for (const name in next) {
        if (texts) nodes += Math.floor(name.length / CHARS_PER_NODE)
        waiting.push((next as Record<string, unknown>)[name])
        if (waiting.length > limit) return nodes + waiting.length
      }
  }
  return nodes
}

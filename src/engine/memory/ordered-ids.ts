/** A chunk that grows past this is split in two. */
const CHUNK_MAX = 512

/**
 * A set of strings in order: code unit order, as `<` has it. It is a list of sorted chunks, so that an `add`
 * or a `delete` moves a few hundred ids at most, wherever it happens.
 */
export class OrderedIds {
  /** In order. There is always one, and only the first may be empty. */
  readonly #chunks: string[][] = [[]]
  #size = 0

  get size(): number {
    return this.#size
  }

  /** An id that is here already is not added again. */
  add(id: string): void {
    const at = this.#chunkFor(id)
    const chunk = this.#chunks[at]!
    const index = indexIn(chunk, id)
    if (chunk[index] === id) return
    chunk.splice(index, 0, id)
    this.#size++
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX / 2))
  }

  /** An id that is not here is left alone. */
  delete(id: string): void {
    const at = this.#chunkFor(id)
    const chunk = this.#chunks[at]!
    const index = indexIn(chunk, id)
    if (chunk[index] !== id) return
    chunk.splice(index, 1)
    this.#size--
    this.#join(at)
    this.#join(at - 1)
  }

  /** The first `limit` ids above `after`, in order. @param after undefined begins with the first id */
  after(after: string | undefined, limit: number): string[] {
    return this.from(after ?? '', after === undefined)
      .take(limit)
      .toArray()
  }

  /** The ids above `start`, in order; also `start` if `inclusive`. The set must not change meanwhile. */
  *from(start: string, inclusive: boolean): IteratorObject<string, undefined> {
    let at = this.#chunkFor(start)
    let index = indexIn(this.#chunks[at]!, start)
    if (!inclusive && this.#chunks[at]![index] === start) index++
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at]!
      while (index < chunk.length) yield chunk[index++]!
    }
  }

  /** Index of the chunk in which `id` belongs: the last that begins at or below it, else the first. */
  #chunkFor(id: string): number {
    let low = 1
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#chunks[middle]![0]! > id) high = middle
      else low = middle + 1
    }
    return low - 1
  }

  /** Joins a chunk with the next one if that is empty, or both are small. */
  #join(at: number): void {
    const one = this.#chunks[at]
    const next = this.#chunks[at + 1]
    if (!one || !next) return
    const small = one.length + next.length <= CHUNK_MAX / 2
    if (small || next.length === 0) this.#chunks.splice(at, 2, one.concat(next))
  }
}

/** Index of the first id of a sorted chunk at or above `id`. */
function indexIn(chunk: readonly string[], id: string): number {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (chunk[middle]! >= id) high = middle
    else low = middle + 1
  }
  return low
}

/** Reads what a `Writer` wrote, from the body of one frame. @throws RangeError past its end */
export class Reader {
  readonly #buffer: Buffer
  readonly #view: DataView
  #at = 0

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.#buffer = Buffer.from(buffer, byteOffset, length)
    this.#view = new DataView(buffer, byteOffset, length)
  }

  /** Bytes read so far. */
  get at(): number {
    return this.#at
  }

  get done(): boolean {
    return this.#at === this.#buffer.length
  }

  u8(): number {
    return this.#view.getUint8(this.#at++)
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true)
    this.#at += 4
    return value
  }

  number(): number {
    const value = this.#view.getFloat64(this.#at, true)
    this.#at += 8
    return value
  }

  /** A string of its own, which does not keep the frame in memory. */
  text(): string {
    const bytes = this.u32()
    const from = this.#at
    this.#at += bytes
    if (this.#at > this.#buffer.length) throw new RangeError('a text is longer than its frame')
    return this.#buffer.toString('utf8', from, this.#at)
  }

  /** A value that was written as JSON. */
  json(): unknown {
    return JSON.parse(this.text())
  }
}

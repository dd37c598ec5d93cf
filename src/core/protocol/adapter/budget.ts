import { Trouble } from './failure.ts'

/** Values that a payload may have, and that the operations of one list may look at or make. */
export const NODES_MAX = 20_000
/** Bytes of JSON that a result may have, and units that the operations of one list may write. */
export const RESULT_BYTES_MAX = 256 * 1024
/** A unit is a UTF-16 unit of a text; JSON has at most so many bytes for one, as in `\u0001`. */
const BYTES_PER_UNIT_MAX = 6

/** What operations may still do. Both methods that count throw {@link Trouble} past the bound. */
export class Budget {
  private units = 0
  private visits_left = NODES_MAX
  private units_left = Number.POSITIVE_INFINITY

  /** Gives the next list of operations its share. Before the first call only visits are bounded. */
  grant(): void {
    this.visits_left = NODES_MAX
    this.units_left = RESULT_BYTES_MAX
  }

  /** Counts values that are looked at or made. */
  visit(count = 1): void {
    this.visits_left -= count
    if (this.visits_left < 0) throw new Trouble(`Adapting visits more than ${NODES_MAX} values.`)
  }

  /** Counts units that are written; to be called before a long text is made. */
  write(units: number): void {
    this.units += units
    this.units_left -= units
    if (this.units_left < 0) throw new Trouble(`Adapting writes more than ${RESULT_BYTES_MAX / 1024} KiB.`)
  }

  /** The most bytes of JSON that all that was written can make. */
  get bytes_max(): number {
    return this.units * BYTES_PER_UNIT_MAX
  }
}

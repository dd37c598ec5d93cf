import type { Random } from '../random.ts'

/** Mistakes that the broker or an engine could make. The simulation has to find each. */
export const BUGS = {
  no_look: 'nobody looks for what was lost',
  look_at_last: 'only new messages count as changes, and redeliveries do not',
  told_when_handled: 'an announcement says what the mailbox has come to when it is handled',
  begun_late: 'what a mailbox has come to is asked for after somebody is here, and counts as told',
  gap_jumped: 'an announcement counts as told, though others before it were not',
  sent_again: 'a send that failed is repeated without its key',
  acked_unsent: 'a read acknowledges, and its answer may be lost',
  takeover_untold: 'the other instances do not hear of a takeover, and do not find it either',
  counted_by_all: 'each instance counts what any of them did',
} as const

export type Bug = keyof typeof BUGS

/** What goes wrong in one run. Each kind is wholly off in some runs, so that others are seen alone. */
export class Faults {
  /** How likely an event is lost on its way to another instance, or comes twice; and how late it may come. */
  drop: number
  double: number
  delay_ms: number
  /** How likely a call of an engine fails. */
  fail: number
  /** How long a call and its answer may take, each. */
  call_ms: number
  crash: boolean
  /** How long a frame may take to a client. */
  wire_ms: number

  constructor(random: Random) {
    this.drop = random.pick([0, 0.05, 0.3, 0.8])
    this.double = random.pick([0, 0.2, 0.8])
    this.delay_ms = random.pick([5, 50, 400, 1000])
    this.fail = random.pick([0, 0, 0.01, 0.03])
    this.call_ms = random.pick([2, 20, 60])
    this.crash = random.chance(0.5)
    this.wire_ms = random.pick([1, 50, 300])
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.healCore()
    this.drop = 0
    this.double = 0
  }

  /** Calls are answered and nobody crashes. What instances tell each other is lost as before, or all of it. */
  healCore(): void {
    this.fail = 0
    this.crash = false
  }
}

import type { Random } from '../random.ts'

/** Mistakes that the engine could make. The simulation has to find each. */
export const BUGS = {
  numbered_anew: 'a call that is made again has a new number, so that what it stores is stored twice',
  no_look: 'nobody looks for announcements that were lost',
  old_look: 'what a mailbox has come to is answered from a cache',
  acked_unsent: 'a read acknowledges before its messages are sent',
  two_at_once: 'calls for one mailbox do not wait for each other',
  sent_again: 'a send that failed is repeated without its key',
} as const

export type Bug = keyof typeof BUGS

/**
 * What may become of a pipeline of calls. `unsent`: nothing is carried out. `lost`: all is, and no answer
 * arrives. `cut`: a part is, and no answer arrives. `some`: some calls are refused for the moment, the others
 * answered. `late`: it arrives after all, when its calls may have been made again or given up.
 */
export const PIPELINE_FAULTS = ['unsent', 'lost', 'cut', 'some', 'late'] as const

export type PipelineFault = (typeof PIPELINE_FAULTS)[number]

/** What goes wrong on the way to Redis, besides what goes wrong in any cluster. */
export class RedisFaults {
  readonly pipeline: readonly PipelineFault[]
  /** A connection may be lost for a while. */
  outages: boolean
  /** What is published may be lost for a while, and that is noticed. */
  deafness: boolean
  /** Another server may take over, which has a history of its own from there. */
  failovers: boolean
  /** By how much the clocks of instances may differ, in milliseconds. */
  readonly clock_ms: number
  /** How likely a call is given up as soon as one try of it fails. */
  readonly impatient: number

  constructor(random: Random) {
    const some = PIPELINE_FAULTS.filter(() => random.chance(0.5))
    this.pipeline = some.length > 0 ? some : PIPELINE_FAULTS
    this.outages = random.chance(0.4)
    this.deafness = random.chance(0.4)
    this.failovers = random.chance(0.3)
    this.clock_ms = random.pick([0, 0, 5, 50])
    this.impatient = random.pick([0, 0.1, 0.5])
  }

  heal(): void {
    this.outages = false
    this.deafness = false
    this.failovers = false
  }
}

import type { Args, Place, Word } from '../../../src/engine/redis/script.ts'

/** A server of the tests, as a call finds it. */
export const PLACE: Place = { generation: 'g1', clock_offset_ms: 0, replicas: 0 }

/** The arguments of a call that goes there. */
export function argsAt(place: Place, args: Args): readonly Word[] {
  return typeof args === 'function' ? args(place) : args
}

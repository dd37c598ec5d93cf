import type { EngineEvents } from '../../../src/engine/engine.ts'

/** Takes what an engine tells, and does nothing. */
export const NOBODY: EngineEvents = {
  wants_each: false,
  announced() {},
  acknowledged() {},
  died() {},
  session() {},
  record() {},
  missed() {},
}

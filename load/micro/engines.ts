import type { Engine } from '../../src/engine/engine.ts'
import { JournalEngine, type JournalLevel } from '../../src/engine/journal/journal.ts'
import { openVolume } from '../../src/engine/journal/volume.ts'
import { MemoryEngine, type MemoryEngineOptions } from '../../src/engine/memory/memory.ts'
import { diskFolder } from '../folder.ts'

export type NewEngine = (options: MemoryEngineOptions) => Engine

/** Keeps everything in memory, and shows what is appended at once. */
export const memoryEngine: NewEngine = (options) => new MemoryEngine(options)

/**
 * The engines that a path can be measured with, by the name that `--engine` takes; undefined: there is none
 * yet.
 */
export const ENGINES: Readonly<Record<string, NewEngine | undefined>> = {
  memory: memoryEngine,
  /**
   * Memory that shows what is appended at the end of its turn, as an engine on disk does, and writes nothing.
   */
  staged: (options) => new MemoryEngine({ ...options, commit: () => {} }),
  journal: journalAt('normal'),
  'journal-full': journalAt('full'),
}

function journalAt(level: JournalLevel): NewEngine {
  return (options) =>
    new JournalEngine({
      ...options,
      level,
      open: () => openVolume(diskFolder(), 'the micro benchmark'),
      report: console.error,
      note: console.error,
      fatal: console.error,
    })
}

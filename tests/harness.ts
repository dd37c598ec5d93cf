import { Value } from '@sinclair/typebox/value'
import { pino } from 'pino'
import { type App, startApp } from '../src/app.ts'
import { type Config, ConfigSchema } from '../src/config/schema.ts'
import type { Engine } from '../src/engine/engine.ts'
import { MemoryEngine, type MemoryEngineOptions } from '../src/engine/memory/memory.ts'
import { journalIn, MemoryDisk } from './engine/journal/memory-disk.ts'
import { newRedisEngine } from './engine/redis/instance.ts'
import { planted } from './faults/plant.ts'
import { slowEngine } from './slow-engine.ts'

/** The default settings with some changed; for tests, on a free port. */
export function testConfig(overrides: Partial<Config> = {}): Config {
  return { ...Value.Create(ConfigSchema), port: 0, drain_seconds: 0.02, ...overrides }
}

/**
 * A broker of the test's own, in this process, on a free port of the loopback address. `await using` stops
 * it.
 *
 * @param overrides settings that differ from the defaults
 * @param around puts something round the engine, such as one that answers later
 * @param memory what the memory engine is given besides
 */
export async function startBroker(
  overrides: Partial<Config> = {},
  around?: (engine: Engine) => Engine,
  memory?: Partial<MemoryEngineOptions>,
): Promise<App & AsyncDisposable> {
  const newEngine = (options: MemoryEngineOptions) => {
    if (REDIS_URL && !around && !memory)
      return newRedisEngine(REDIS_URL, `h${process.pid}x${brokers++}:`, options)
    if (KIND === 'journal' && !around && !memory) return journalIn(new MemoryDisk(), options)
    return (around ?? (memory ? here : elsewhere))(planted(new MemoryEngine({ ...options, ...memory })))
  }
  return startOn(overrides, newEngine)
}

/** The same on any engine. */
export async function startOn(
  overrides: Partial<Config>,
  newEngine: (options: MemoryEngineOptions) => Engine,
): Promise<App & AsyncDisposable> {
  const app = await startApp(testConfig(overrides), pino({ level: 'silent' }), newEngine)
  return { ...app, [Symbol.asyncDispose]: () => app.stop() }
}

/**
 * `MCP_BROKER_TEST_ENGINE` gives brokers another engine, unless their test says which: `slow` one that is
 * elsewhere, `journal` one that syncs a disk in memory, `redis` one on the server that
 * `MCP_BROKER_TEST_REDIS_URL` names.
 */
const KIND = process.env.MCP_BROKER_TEST_ENGINE
/** Of the server that `redis` uses. */
const REDIS_URL = KIND === 'redis' ? process.env.MCP_BROKER_TEST_REDIS_URL : undefined
let brokers = 0

/** For a test that needs an engine in this process, which answers at once. */
export const here = (engine: Engine): Engine => engine

function elsewhere(engine: Engine): Engine {
  let calls = 0
  return KIND === 'slow' ? slowEngine(engine, { turns: () => calls++ % 3 }) : engine
}

/** Waits until `probe` answers something, asking every few milliseconds. @throws Error after `ms` */
export async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  ms = 5000,
): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`)
    await Bun.sleep(5)
  }
}

/** Resident memory of this process with its garbage collected, in bytes. */
export function memoryBytes(): number {
  Bun.gc(true)
  return process.memoryUsage.rss()
}

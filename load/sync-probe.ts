import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Latency, latencyOf } from './stats.ts'

const FILE_BYTES = 16 * 1024 * 1024
const WRITE_BYTES = 4096
const EVERY_MS = 1

/**
 * What the disk alone takes: a write of 4 KiB into a file that is there in full, and an `fdatasync`; one each
 * millisecond, as a broker would that gets a message in each, or as fast as the disk can.
 *
 * @param folder on the disk that is asked about
 * @param writes how many; beyond 4,096 the file is gone through again
 */
export async function syncLatency(folder: string, writes: number): Promise<Latency> {
  const path = join(folder, 'probe')
  const file = openSync(path, 'wx')
  try {
    const zeros = new Uint8Array(FILE_BYTES)
    for (let at = 0; at < FILE_BYTES; ) at += writeSync(file, zeros, at, FILE_BYTES - at, at)
    fsyncSync(file)
    const block = new Uint8Array(WRITE_BYTES).fill(1)
    const took_ms = new Float64Array(writes)
    for (let i = 0; i < writes; i++) {
      await Bun.sleep(EVERY_MS)
      const began_ms = performance.now()
      writeSync(file, block, 0, WRITE_BYTES, (i * WRITE_BYTES) % FILE_BYTES)
      fdatasyncSync(file)
      took_ms[i] = performance.now() - began_ms
    }
    return latencyOf(took_ms)
  } finally {
    closeSync(file)
    rmSync(path)
  }
}

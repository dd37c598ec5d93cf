import { createHash } from 'node:crypto'

/** A Lua script, as Redis knows it. */
export interface Script {
  readonly name: string
  readonly text: string
  /** By which it is called once it is loaded. */
  readonly sha1: string
  /** What it stores or finds must outlive the server: replicas have it before it is answered. */
  readonly kept: boolean
}

/** @param parts of its text, in order */
export function script(name: string, ...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { name, text, sha1: createHash('sha1').update(text).digest('hex'), kept: false }
}

/** A script whose callers go by what it has stored or found. */
export function kept(script: Script): Script {
  return { ...script, kept: true }
}

/** What holds at the server that a call goes to. */
export interface Place {
  /**
   * Names its history: the first 8 digits of its `master_replid`. Of a node of a cluster three such, with
   * slashes between: its own id, its history, and the one before, of the master that it has taken over from.
   * Empty before it was asked.
   */
  readonly generation: string
  /** What to add to the clock of this process to have the server's, in milliseconds. */
  readonly clock_offset_ms: number
  /** How many replicas were connected to it when it was last asked. */
  readonly replicas: number
}

export type Word = string | number

/** Arguments, or how they are made for each try, from the place that it goes to. */
export type Args = readonly Word[] | ((place: Place) => readonly Word[])

/**
 * Runs a script. All keys are in one hash slot. It may be carried out twice.
 *
 * @throws RedisFailed
 */
export type Run = (script: Script, keys: readonly string[], args: Args) => Promise<unknown>

/**
 * Runs a plain command. It may be carried out twice.
 *
 * @param key its first argument
 * @throws RedisFailed
 */
export type Command = (name: string, key: string, ...args: readonly Word[]) => Promise<unknown>

/** A name that may hold any characters, as a part of a hash tag. */
export function tagPart(name: string): string {
  return encodeURIComponent(name.toWellFormed())
}

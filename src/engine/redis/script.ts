import { createHash } from 'node:crypto'

/** A Lua script, as Redis knows it. */
export interface Script {
  readonly name: string
  readonly text: string
  /** By which it is called once it is loaded. */
  readonly sha1: string
}

/** @param parts of its text, in order */
export function script(name: string, ...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { name, text, sha1: createHash('sha1').update(text).digest('hex') }
}

/**
 * Runs a script. All keys are in one hash slot.
 *
 * @throws Error as the server answered it
 */
export type Run = (
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>

/**
 * Runs a plain command, whose first argument is its key. It may be carried out twice.
 *
 * @throws Error as the server answered it
 */
export type Command = (name: string, ...args: readonly (string | number)[]) => Promise<unknown>

/** A name that may hold any characters, as a part of a hash tag. */
export function tagPart(name: string): string {
  return encodeURIComponent(name.toWellFormed())
}

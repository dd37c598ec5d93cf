import type { Records } from '../../engine.ts'
import type { Page, Versioned } from '../../values.ts'
import { kept, type Run, script, tagPart } from '../script.ts'
import list from './list.lua' with { type: 'text' }
import put from './put.lua' with { type: 'text' }

export const PUT = kept(script('put', put))
export const LIST = script('list', list)

/** Bytes of one page of a list. */
const PAGE_BYTES_MAX = 1024 * 1024

export interface RedisRecordsOptions {
  readonly run: Run
  /** Of all keys. */
  readonly prefix: string
  /** Names this process. */
  readonly instance: string
  /** Told of each change that is made here, before it is answered. */
  readonly changed: (kind: string, project: string, id: string, version: number) => void
}

/** Records in Redis: all of one kind and project in one hash slot. */
export class RedisRecords implements Records {
  #number = 0
  /** The last change of each kind and project: they are made one after the other, as a repetition needs. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(private readonly options: RedisRecordsOptions) {}

  async get(kind: string, project: string, id: string): Promise<Versioned | undefined> {
    const keys = this.#keys(kind, project)
    const answer = await this.options.run(LIST, keys.slice(0, 2), [`[${id}`, id, 1, 0])
    const [, found, text] = answer as [number, string?, string?]
    return found === id && text !== undefined ? readRecord(id, text) : undefined
  }

  async put(
    kind: string,
    project: string,
    id: string,
    value: unknown,
    expected: number | undefined,
  ): Promise<{ readonly ok: boolean; readonly version: number }> {
    // The caller may change it as soon as this has returned.
    const text = value === undefined ? '' : `=${JSON.stringify(value)}`
    const keys = this.#keys(kind, project)
    const [name = ''] = keys
    const before = this.#last.get(name)
    const call = async () => {
      await before?.catch(() => undefined)
      const who = `${this.options.instance} ${++this.#number}`
      return this.options.run(PUT, keys, [who, id, expected ?? '', text])
    }
    const done = call()
    this.#last.set(name, done)
    try {
      const answer = await done
      if (!Array.isArray(answer)) throw new Error('the change was given up before it was made')
      const [ok, version] = answer as [number, number]
      const changed = ok === 1 && version > 0
      if (changed) this.options.changed(kind, project, id, version)
      return { ok: ok === 1, version }
    } finally {
      if (this.#last.get(name) === done) this.#last.delete(name)
    }
  }

  async list(
    kind: string,
    project: string,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): Promise<Page<Versioned>> {
    const goes_on = after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0
    const from = goes_on ? `(${after}` : `[${prefix}`
    const answer = await this.options.run(LIST, this.#keys(kind, project).slice(0, 2), [
      from,
      prefix,
      limit,
      PAGE_BYTES_MAX,
    ])
    const [more, ...flat] = answer as [number, ...string[]]
    const items: Versioned[] = []
    for (let i = 0; i < flat.length; i += 2) items.push(readRecord(flat[i]!, flat[i + 1]!))
    return { items, next: more === 1 ? items.at(-1)!.id : undefined }
  }

  /** Kind and project may hold any characters: what could end the hash tag or its parts is escaped. */
  #keys(kind: string, project: string): string[] {
    const tag = `${this.options.prefix}{${tagPart(project)}:records:${tagPart(kind)}}:`
    return [`${tag}values`, `${tag}ids`, `${tag}meta`]
  }
}

function readRecord(id: string, text: string): Versioned {
  const end = text.indexOf('\n')
  return { id, value: JSON.parse(text.slice(end + 1)), version: Number(text.slice(0, end)) }
}

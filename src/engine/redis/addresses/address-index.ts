import type { Session } from '../../../core/session.ts'
import type { Address, ClientsPage } from '../../values.ts'
import { type Command, kept, type Run, script, tagPart } from '../script.ts'
import admit from './admit.lua' with { type: 'text' }

export const ADMIT = kept(script('admit', admit))

export interface AddressIndexOptions {
  readonly run: Run
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
}

/** Some client ids, in the order of a list. */
export interface Ids {
  readonly ids: readonly string[]
  /** What to ask for the next ones; undefined: there are none. */
  readonly next: string | undefined
}

/**
 * Which addresses a project has, and who holds them. It is another hash slot than the mailboxes, so it may be
 * late: what it says is checked by whoever reads it.
 *
 *   clients   all addresses, a zset with the score 0
 *   sessions  those with a session, by when it was last heard
 *   readers   those of them that are no mere senders
 *   holders   session id to client id, a hash
 */
export class AddressIndex {
  constructor(private readonly options: AddressIndexOptions) {}

  /** Takes a place for an address. @returns false: there is none left */
  async admit({ project, client_id }: Address, clients_max: number): Promise<boolean> {
    const { run, command, prefix } = this.options
    const [admitted] = await Promise.all([
      run(ADMIT, [this.#key(project, 'clients')], [client_id, clients_max]),
      command('SADD', `${prefix}projects`, project),
    ])
    return admitted === 1
  }

  /** An address was made: it has a place, whatever became of the one that was taken for it. */
  async made({ project, client_id }: Address): Promise<void> {
    await this.options.command('ZADD', this.#key(project, 'clients'), 0, client_id)
  }

  /** An address is not there any more. */
  async gone({ project, client_id }: Address): Promise<void> {
    await this.#each('ZREM', project, ['clients', 'sessions', 'readers'], client_id)
  }

  /** A session holds an address, or goes on to. */
  async holds({ project, client_id, session_id, last_seen_ms, sender_only }: Session): Promise<void> {
    const { command } = this.options
    await Promise.all([
      command('HSET', this.#key(project, 'holders'), session_id, client_id),
      command('ZADD', this.#key(project, 'sessions'), last_seen_ms, client_id),
      sender_only
        ? command('ZREM', this.#key(project, 'readers'), client_id)
        : command('ZADD', this.#key(project, 'readers'), last_seen_ms, client_id),
    ])
  }

  /** A session has ended. @param next the one that holds its address since */
  async ended({ project, client_id, session_id }: Session, next?: Session): Promise<void> {
    await this.options.command('HDEL', this.#key(project, 'holders'), session_id)
    if (!next) await this.#each('ZREM', project, ['sessions', 'readers'], client_id)
  }

  /** The session of an address was heard. */
  async heard({ project, client_id }: Address, at_ms: number): Promise<void> {
    const { command } = this.options
    await Promise.all(
      ['sessions', 'readers'].map((part) =>
        command('ZADD', this.#key(project, part), 'XX', 'GT', at_ms, client_id),
      ),
    )
  }

  /** The client that a session belongs to, or did until just now. */
  async holder(project: string, session_id: string): Promise<string | undefined> {
    const found = await this.options.command('HGET', this.#key(project, 'holders'), session_id)
    return typeof found === 'string' ? found : undefined
  }

  /** All projects that ever had an address. */
  async projects(): Promise<string[]> {
    return (await this.options.command('SMEMBERS', `${this.options.prefix}projects`)) as string[]
  }

  async count(project: string, of: ClientsPage['of']): Promise<number> {
    const part = of === 'addresses' ? 'clients' : of
    return Number(await this.options.command('ZCARD', this.#key(project, part)))
  }

  /** Client ids in their order. @param after a client id, which need not be there */
  async byId(project: string, after: string | undefined, limit: number): Promise<Ids> {
    const from = after === undefined ? '-' : `(${after}`
    const key = this.#key(project, 'clients')
    const ids = (await this.options.command('ZRANGEBYLEX', key, from, '+', 'LIMIT', 0, limit + 1)) as string[]
    return { ids: ids.slice(0, limit), next: ids.length > limit ? ids[limit - 1] : undefined }
  }

  /** Client ids, the latest heard first. @param after `next` of the piece before */
  async byHeard(
    project: string,
    of: 'sessions' | 'readers',
    after: string | undefined,
    limit: number,
  ): Promise<Ids> {
    const space = after?.indexOf(' ') ?? -1
    const [score = '+inf', last = ''] =
      after === undefined ? [] : [after.slice(0, space), after.slice(space + 1)]
    const found = (await this.options.command(
      'ZREVRANGEBYSCORE',
      this.#key(project, of),
      score,
      '-inf',
      'WITHSCORES',
      'LIMIT',
      0,
      limit + PAGE_MARGIN,
    )) as string[]
    const items: { id: string; heard: string }[] = []
    for (let i = 0; i < found.length; i += 2) items.push({ id: found[i]!, heard: found[i + 1]! })
    // Of those heard in the same millisecond, the ones up to the last are behind us.
    const ahead = items.filter(({ id, heard }) => after === undefined || heard !== score || id < last)
    const page = ahead.slice(0, limit)
    const end = page.at(-1)
    const next = ahead.length > limit && end ? `${end.heard} ${end.id}` : undefined
    return { ids: page.map(({ id }) => id), next }
  }

  async #each(name: string, project: string, parts: readonly string[], member: string): Promise<void> {
    await Promise.all(parts.map((part) => this.options.command(name, this.#key(project, part), member)))
  }

  #key(project: string, part: string): string {
    return `${this.options.prefix}{${tagPart(project)}:addresses}:${part}`
  }
}

/** More than that are hardly heard in one millisecond; beyond it a list may leave some out. */
const PAGE_MARGIN = 1000

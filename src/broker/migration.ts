import type { MaybePromise } from '../core/maybe-promise.ts'
import type { Message, StoredMessage } from '../core/message.ts'
import type { Engine } from '../engine/engine.ts'
import type { ClientState, Kept, NewJson, RewriteOutcome } from '../engine/values.ts'
import type { Turns } from './turns.ts'

/** Which messages of a project are converted, and how. */
export interface Migration {
  readonly project: string
  readonly protocol_name: string
  /** As messages have them in `protocol_version`. */
  readonly versions: ReadonlySet<string>
  /** Nothing is written. */
  readonly dry_run: boolean
  /**
   * Answers the message in its new version (`rewriteMessage` in core/message.ts), or `left` where it cannot
   * be converted. May be called for a message that is left in the end, since it is delivered meanwhile.
   *
   * @param wire the same message as an object
   */
  readonly convert: (message: StoredMessage, wire: Message) => MaybePromise<StoredMessage | 'left'>
}

/** How many messages of the given versions were rewritten, and why others were not. */
export interface Migrated {
  rewritten: number
  readonly left: { leased_or_delivered: number; acknowledged: number; failed: number; no_room: number }
}

const MAILBOXES_PAGE = 100
const MESSAGES_PAGE = 100
const PAGE_BYTES_MAX = 128 * 1024

/** What counts each outcome; what is gone has left the mailbox meanwhile, and is not counted. */
const LEFT = {
  delivered: 'leased_or_delivered',
  acknowledged: 'acknowledged',
  no_room: 'no_room',
} as const satisfies Partial<Record<RewriteOutcome, keyof Migrated['left']>>

/**
 * Rewrites the pending messages of some versions of a protocol that were never delivered, one page of one
 * mailbox at a time, in the turns that long calls share. Dead letters are left out, and so is what is sent
 * meanwhile, or staged: the caller waits for a flush first. Where it fails midway, what was rewritten stays
 * so: called again, it does the rest.
 */
export async function migrateMessages(
  { engine, turns }: { readonly engine: Engine; readonly turns: Turns },
  migration: Migration,
): Promise<Migrated> {
  const pass = new Pass(engine, turns, migration)
  const page = { of: 'addresses', by: 'client_id', limit: MAILBOXES_PAGE } as const
  let after: string | undefined
  do {
    const from = after
    const { items, next } = await turns.run(() => engine.clients(migration.project, { ...page, after: from }))
    for (const client of items) await pass.mailbox(client)
    after = next
  } while (after !== undefined)
  return pass.migrated
}

/** One pass over the mailboxes of a project. */
class Pass {
  readonly migrated: Migrated = {
    rewritten: 0,
    left: { leased_or_delivered: 0, acknowledged: 0, failed: 0, no_room: 0 },
  }
  /** As every message of the protocol has it in its JSON; one that only speaks of it may have it, too. */
  readonly #sign: string
  /** By how much a dry run would have made the engine grow so far, and the present mailbox. */
  #stored_bytes = 0
  #mailbox_bytes = 0

  constructor(
    private readonly engine: Engine,
    private readonly turns: Turns,
    private readonly migration: Migration,
  ) {
    this.#sign = `"protocol_name":${JSON.stringify(migration.protocol_name)}`
  }

  /** Goes through a mailbox, up to what was its newest message. */
  async mailbox({ client_id, epoch, last }: ClientState): Promise<void> {
    const address = { project: this.migration.project, client_id }
    this.#mailbox_bytes = 0
    for (let after = { epoch, offset: 0 }, more = true; more && after.offset < last; ) {
      const from = after
      const page = await this.turns.run(() =>
        this.engine.history(address, { after: from }, MESSAGES_PAGE, PAGE_BYTES_MAX),
      )
      // The mailbox was forgotten: what is in it came later.
      if (page.epoch !== epoch) return
      const messages: NewJson[] = []
      for (const kept of page.deliveries) {
        const { offset, message } = kept
        if (!message.json.includes(this.#sign)) continue
        const converted = await this.turns.run(() => this.#convert(kept))
        if (converted === 'left') this.migrated.left.failed++
        else if (converted) messages.push({ offset, before: message.json, after: converted.json })
      }
      if (messages.length > 0) await this.#rewrite(client_id, epoch, messages)
      more = page.more
      after = { epoch, offset: page.offset }
    }
  }

  /** The new form of a message; undefined: it is of another kind, or counted as left. */
  #convert({ message, attempt, acknowledged }: Kept): MaybePromise<StoredMessage | 'left' | undefined> {
    const { protocol_name, versions, convert } = this.migration
    const wire = JSON.parse(message.json) as Message
    if (wire.protocol_name !== protocol_name) return undefined
    if (wire.protocol_version === undefined || !versions.has(wire.protocol_version)) return undefined
    if (attempt === 0) return convert(message, wire)
    this.migrated.left[acknowledged ? 'acknowledged' : 'leased_or_delivered']++
    return undefined
  }

  async #rewrite(client_id: string, epoch: string, messages: readonly NewJson[]): Promise<void> {
    const { project, dry_run } = this.migration
    const grown = { mailbox_bytes: this.#mailbox_bytes, stored_bytes: this.#stored_bytes }
    const { outcomes, bytes } = await this.turns.run(() =>
      this.engine.rewrite({ project, client_id }, { epoch, messages, dry_run: dry_run ? grown : undefined }),
    )
    this.#mailbox_bytes += bytes
    this.#stored_bytes += bytes
    for (const outcome of outcomes)
      if (outcome === 'rewritten') this.migrated.rewritten++
      else if (outcome !== 'gone') this.migrated.left[LEFT[outcome]]++
  }
}

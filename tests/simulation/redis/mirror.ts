import { bounceOf } from '../../../src/core/bounce.ts'
import type { DeadLetter } from '../../../src/core/mailbox/entry.ts'
import { CLAIM_DUE } from '../../../src/engine/redis/addresses/due-index.ts'
import { ADD } from '../../../src/engine/redis/dead-letters/scripts.ts'
import { openCall, settleCall } from '../../../src/engine/redis/mailbox/calls.ts'
import { mailboxKeys } from '../../../src/engine/redis/mailbox/keys.ts'
import { APPEND, OPEN, SETTLE } from '../../../src/engine/redis/mailbox/scripts.ts'
import { readAnnouncements, readOutgoing } from '../../../src/engine/redis/mailbox/text.ts'
import type { Script } from '../../../src/engine/redis/script.ts'
import type { Seen, World } from '../instances/world.ts'
import { placeOf, sha256 } from '../ledger.ts'
import type { Answer, Request, Server } from './server.ts'
import { PREFIX } from './world.ts'

/** One call as it reaches the server. */
export interface Asked {
  /** Undefined for a plain command. */
  readonly script: Script | undefined
  readonly request: Request
}

/** An address as the server has it. */
interface Kept extends Seen {
  readonly died: string
  /** Messages that are not acknowledged, and dead ones that are not buried. */
  readonly unsettled: number
}

/** Has the server carry out what it is asked, and knows what it has. */
export class Mirror {
  readonly #kept = new Map<string, Kept>()
  /** Keys to which something was added. */
  readonly #written = new Set<string>()
  readonly #jsons = new Map<string, string>()
  /** What has died, by place. */
  readonly #died = new Map<string, DeadLetter>()
  /** Which instances have stored each dead message as a dead letter, as the server says. */
  readonly #buried = new Map<string, Set<string>>()

  /** @param publish is told of what is published, in its order */
  constructor(
    private readonly world: World,
    private readonly server: Server,
    private readonly publish: (channel: string, text: string) => void,
  ) {}

  seen(client_id: string): Seen | undefined {
    return this.#kept.get(client_id)
  }

  unsettled(): number {
    let sum = 0
    for (const { unsettled } of this.#kept.values()) sum += unsettled
    return sum
  }

  /** @throws Error where a dead message is no dead letter, was made one twice, or its sender was not told */
  checkBuried(): void {
    for (const [place, letter] of this.#died) {
      const times = this.#buried.get(place)?.size ?? 0
      if (times !== 1) throw new Error(`${place} has died, and was buried ${times} times`)
      const bounce = bounceOf(letter, sha256)
      const { sender_id } = letter.message
      if (!bounce || this.world.truth.knows(sender_id, bounce.message_id)) continue
      // A full mailbox takes none.
      if (this.world.limits.mailbox_messages_max >= ROOMY)
        throw new Error(`${place} has died, and ${sender_id} was not told`)
    }
  }

  /** @throws Error where the index of addresses differs from what they are */
  async checkIndex(): Promise<void> {
    const key = (part: string) => `${PREFIX}{default:addresses}:${part}`
    const [all, held] = (await this.server.carryOut([
      ['ZRANGE', key('clients'), '0', '-1'],
      ['ZRANGE', key('sessions'), '0', '-1'],
    ])) as string[][]
    for (const [client_id, { session_id }] of this.#kept) {
      if (!all!.includes(client_id)) throw new Error(`${client_id} is not in the index`)
      if (held!.includes(client_id) !== (session_id !== undefined))
        throw new Error(`the index is wrong about whether ${client_id} has a session`)
    }
  }

  /** Carries out some calls, with nothing in between. @returns their answers */
  async carryOut(asked: readonly Asked[]): Promise<Answer[]> {
    const touched = new Set<string>()
    for (const { request } of asked) if (request[0] === 'ZADD') this.#written.add(request[1]!)
    const answers = asked.map((one) => this.#answer(one))
    const requests: Request[] = []
    for (const [i, { script, request }] of asked.entries()) {
      if (script === APPEND) this.#noteTexts(request)
      const client_id = script && MAILBOX.exec(request[FIRST_KEY]!)?.[1]
      if (client_id !== undefined) touched.add(client_id)
      if (answers[i] === undefined) requests.push(request)
    }
    for (const client_id of touched) requests.push(...looksAt(client_id))
    const served = requests.length > 0 ? await this.server.carryOut(requests) : []
    let at = 0
    for (const [i, one] of asked.entries()) {
      if (answers[i] === undefined) answers[i] = served[at++]
      this.#learn(one, answers[i])
    }
    for (const client_id of touched) {
      await this.#keep(client_id, served.slice(at, at + LOOKS))
      at += LOOKS
    }
    return answers
  }

  /** What the server would answer, where that is known without it: most of what is asked finds nothing due. */
  #answer({ script, request }: Asked): Answer | undefined {
    if (request[0] === 'PUBLISH') return 0
    return script === CLAIM_DUE && !this.#written.has(request[FIRST_KEY]!) ? [] : undefined
  }

  #noteTexts(request: Request): void {
    const { args } = partsOf(request)
    for (let i = 4; i < args.length; i += 2) {
      const [id = ''] = args[i]!.split(' ', 1)
      this.#jsons.set(id, args[i + 1]!)
    }
  }

  #learn({ script, request }: Asked, answer: Answer): void {
    if (answer instanceof Error) {
      this.world.failed(new Error(`${script?.name ?? request[0]}: ${answer.message}`))
      return
    }
    if (!script) {
      if (request[0] === 'PUBLISH') this.publish(request[1]!, request[2]!)
      return
    }
    if (!Array.isArray(answer)) return
    const { keys, args } = partsOf(request)
    if (script === ADD) {
      this.#learnBuried(args, String(answer[1]))
      return
    }
    const client_id = MAILBOX.exec(keys[0]!)?.[1]
    if (client_id === undefined || !args[1]?.startsWith('PUBLISH ')) return
    const { truth } = this.world
    const published = String(answer[2])
    if (published !== '') this.#published(client_id, args[1].slice('PUBLISH '.length), published)
    if (script === SETTLE || script === OPEN) {
      const read = script === SETTLE ? SETTLES.read(answer) : OPENS.read(answer)
      if (typeof read === 'object')
        for (const { message_id } of read.acknowledged) truth.acknowledged(client_id, message_id)
    }
  }

  /** @param digits for each letter, whether the instance that asked has stored it, by this call or before */
  #learnBuried([, mailbox = '', instance = '', ...letters]: Request, digits: string): void {
    const [client_id = ''] = mailbox.split(' ')
    for (let i = 0; i < letters.length; i += 2) {
      if (digits[i / 2] !== '1') continue
      const place = placeOf(client_id, letters[i]!.split(' ')[3]!)
      const by = this.#buried.get(place) ?? new Set()
      this.#buried.set(place, by.add(instance))
    }
  }

  #published(client_id: string, channel: string, text: string): void {
    const { truth, questions } = this.world
    for (const announcement of readAnnouncements(text, { project: 'default', client_id })) {
      const { message_id, in_reply_to, redelivery } = announcement
      truth.announced(announcement)
      if (!redelivery) questions.stored(message_id, this.#jsons.get(message_id) ?? '', in_reply_to)
    }
    this.publish(channel, text)
  }

  async #keep(client_id: string, looks: readonly Answer[]): Promise<void> {
    const [state, pending, outbox] = looks
    const [changes, session, died, live] = state as (string | null)[]
    if (changes === null || changes === undefined) {
      this.#kept.delete(client_id)
      return
    }
    if (died !== this.#kept.get(client_id)?.died) await this.#noteDeaths(client_id)
    this.#kept.set(client_id, {
      changes: Number(changes),
      pending: Number(pending),
      session_id: session || undefined,
      died: died ?? '',
      unsettled: Number(live) + Number(outbox),
    })
  }

  async #noteDeaths(client_id: string): Promise<void> {
    const address = { project: 'default', client_id }
    const [texts] = await this.server.carryOut([['LRANGE', mailboxKeys(PREFIX, address)[5]!, '0', '-1']])
    for (const text of texts as string[]) {
      const { letter } = readOutgoing(text, address)
      const { message_id } = letter.message
      this.#died.set(placeOf(client_id, message_id), letter)
      this.world.truth.died(client_id, message_id)
    }
  }
}

/** Of a request that calls a script: its name, its hash, how many keys, then these. */
const FIRST_KEY = 3
/** A key of a mailbox that scripts of it begin with. */
const MAILBOX = /\{default:([^}]+)\}:(?:state|outbox)$/
const LOOKS = 3
/** No mailbox with so much room is ever full. */
const ROOMY = 1000
const SETTLES = settleCall({})
const OPENS = openCall(undefined, 'manual', undefined, undefined)

function looksAt(client_id: string): Request[] {
  const keys = mailboxKeys(PREFIX, { project: 'default', client_id })
  return [
    ['HMGET', keys[0]!, 'changes', 'session', 'died', 'live'],
    ['ZCARD', keys[2]!],
    ['LLEN', keys[5]!],
  ]
}

function partsOf(request: Request): { readonly keys: Request; readonly args: Request } {
  const first_arg = FIRST_KEY + Number(request[2])
  return { keys: request.slice(FIRST_KEY, first_arg), args: request.slice(first_arg) }
}

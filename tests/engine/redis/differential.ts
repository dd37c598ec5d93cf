import type { Limits } from '../../../src/core/limits.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import type { Acked, AckMode, DeadLetter } from '../../../src/core/mailbox/entry.ts'
import type { Mailbox } from '../../../src/core/mailbox/mailbox.ts'
import type { Position } from '../../../src/core/mailbox/position.ts'
import { createMessage, PRIORITIES, type StoredMessage } from '../../../src/core/message.ts'
import type { Clients } from '../../../src/engine/memory/clients.ts'
import type { Mailroom } from '../../../src/engine/memory/mailroom.ts'
import { MemoryEngine } from '../../../src/engine/memory/memory.ts'
import {
  appendCall,
  contextArgs,
  historyCall,
  type MailboxCall,
  type Noted,
  openCall,
  readCall,
  rewriteCall,
  settleCall,
} from '../../../src/engine/redis/mailbox/calls.ts'
import { type MailboxKeys, mailboxKeys } from '../../../src/engine/redis/mailbox/keys.ts'
import { readOutgoing } from '../../../src/engine/redis/mailbox/text.ts'
import type { Run } from '../../../src/engine/redis/script.ts'
import { checkinCall, clientCall, sweepCall } from '../../../src/engine/redis/sessions/calls.ts'
import type { Announcement, Read } from '../../../src/engine/values.ts'
import { Random } from '../../simulation/random.ts'

/** What a differential run needs of a Redis server. */
export interface Server {
  readonly run: Run
  /** Announcements published on a channel so far, taken away. */
  announcements(channel: string): Promise<string[]>
  /** A list, emptied. */
  take(key: string): Promise<string[]>
}

const ADDRESS = { project: 'p', client_id: 'c' }
const START_MS = 1_700_000_000_000
const READERS = 3

/** A reader as both sides see it. */
interface Reader {
  ack: AckMode
  model: Position
  lua: Position
}

/** Random operations on one mailbox, by the memory engine and by the scripts, whose answers must be alike. */
export class Differential {
  readonly #random: Random
  readonly #limits: Limits
  readonly #model: MemoryEngine
  readonly #keys: MailboxKeys
  readonly #epoch: string
  readonly #readers: Reader[] = []
  readonly #announced: Announcement[] = []
  readonly #died: DeadLetter[] = []
  /** What was done, for the message of a difference. */
  readonly #done: string[] = []
  #now = START_MS
  #number = 0
  #ids = 0
  /** What the scripts say is stored. */
  #bytes = 0

  constructor(
    seed: number,
    private readonly server: Server,
  ) {
    const random = new Random(seed)
    this.#random = random
    this.#limits = {
      ...DEFAULT_LIMITS,
      mailbox_messages_max: random.between(3, 20),
      mailbox_bytes_max: random.between(1500, 5000),
      history_messages_max: random.pick([0, 2, 5, 1000]),
      mailbox_overflow: random.pick(['reject', 'reject', 'drop_oldest']),
      attempts_max: random.between(1, 4),
      lease_seconds: random.pick([1, 5]),
    }
    this.#epoch = `e${seed}`
    this.#keys = mailboxKeys(`d${seed}:`, ADDRESS)
    this.#model = new MemoryEngine({
      limits: () => this.#limits,
      now: () => this.#now,
      newId: () => `session-${++this.#ids}`,
      newEpoch: () => this.#epoch,
    })
    this.#model.start({
      wants_each: true,
      announced: (announcement) => {
        if (announcement.client_id === ADDRESS.client_id) this.#announced.push(announcement)
      },
      acknowledged: () => undefined,
      died: (letter: DeadLetter) => void this.#died.push(letter),
      session: () => undefined,
      record: () => undefined,
      missed: () => undefined,
    })
  }

  /** @throws Error at the first difference, with what led there */
  async run(steps: number): Promise<void> {
    // Nobody's address would be forgotten as soon as nothing is stored for it.
    const nobody = { resume: undefined, join: undefined, key_id: undefined, name: undefined }
    const checkin = { ...ADDRESS, ...nobody, capabilities: undefined }
    this.#model.checkin(checkin)
    await this.#call(checkinCall(checkin, 'session', this.#epoch))
    for (let step = 0; step < steps; step++) {
      this.#now += this.#random.pick([0, 1, 20, 20, 500, 3000])
      await this.#step()
    }
  }

  async #step(): Promise<void> {
    const chance = this.#random.next()
    if (chance < 0.35) await this.#append()
    else if (chance < 0.65) await this.#read()
    else if (chance < 0.8) await this.#settle()
    else if (chance < 0.88) await this.#take()
    else if (chance < 0.92) await this.#history()
    else if (chance < 0.95) await this.#rewrite()
    else await this.#sweep()
  }

  async #append(): Promise<void> {
    const random = this.#random
    const messages = Array.from({ length: random.pick([1, 1, 2, 4]) }, () => this.#message())
    const attempts = messages.map(() => (random.chance(0.1) ? random.between(1, 3) : 0))
    this.#done.push(`append ${messages.map(({ bytes, rank }, i) => `${bytes}/${rank}/${attempts[i]}`)}`)
    const model = messages.map((message, i) => this.#appended(message, attempts[i]!))
    const answer = await this.#call(
      appendCall(
        messages.map((message, i) => ({ message, attempts: attempts[i]! })),
        this.#epoch,
      ),
    )
    const lua = typeof answer === 'string' ? answer : answer.outcomes
    await this.#same('append', model, lua)
  }

  #appended(message: StoredMessage, attempts: number): string {
    // Only letters that are requeued have attempts, and the engine alone requeues.
    const { mailroom } = this.#model as unknown as { mailroom: Mailroom }
    const { project, client_id } = ADDRESS
    return mailroom.store(project, client_id, message, this.#now, attempts || undefined).outcome
  }

  #message(): StoredMessage {
    const random = this.#random
    const content = {
      payload: 'x'.repeat(random.pick([0, 10, 100, 600])),
      ...(random.chance(0.3) && { priority: random.pick(PRIORITIES) }),
      ...(random.chance(0.2) && { in_reply_to: random.pick(['q 1', 'ü', '-']) }),
      ttl_seconds: random.pick([2, 30, 600]),
    }
    const id = `00000000-0000-7000-8000-${String(++this.#ids).padStart(12, '0')}`
    return createMessage(content, random.pick(['a', 'b:c']), 'c', id, this.#now, 600)
  }

  async #read(): Promise<void> {
    const random = this.#random
    const at = random.between(0, this.#readers.length)
    if (at === this.#readers.length) {
      if (at < READERS) await this.#open()
      return
    }
    const reader = this.#readers[at]!
    const take = {
      limit: random.pick([1, 2, 5, 100]),
      bytes_max: random.pick([1, 500, 1e6]),
      ack: reader.ack,
    }
    this.#done.push(`read ${at} ${reader.ack} ${take.limit} ${take.bytes_max} at ${reader.model.sent}`)
    const model = this.#model.read(ADDRESS, reader.model, take)
    const lua = await this.#call(readCall(reader.lua, take))
    if (typeof model === 'string' || typeof lua === 'string')
      return this.#same('read', typeof model, typeof lua)
    const { due_ms: _, dying: _d, published: _p, grown: _g, ...answer } = lua
    const { due, epoch, pending, changes, lapped, position } = model
    // Who reads with a position does not ask where it might begin.
    const expected = { due, epoch, offset: 0, pending, changes, lapped, position }
    const after = await this.#afterAuto(take.ack, answer)
    await this.#same('read', plain(expected), plain({ ...after, offset: 0 }))
    if (model.lapped) this.#readers.splice(at, 1)
    else {
      reader.model = model.position!
      reader.lua = lua.position!
    }
  }

  /** Acknowledges what a read with `auto` leased. @returns its answer, as it is after that */
  async #afterAuto(ack: AckMode, answer: Read): Promise<Read> {
    const of = answer.due.filter(({ acknowledged }) => acknowledged)
    if (ack !== 'auto' || of.length === 0) return answer
    const settled = await this.#call(settleCall({ leases: { epoch: answer.epoch, of } }, true))
    if (typeof settled === 'string') return answer
    const { offset, pending } = settled
    return { ...answer, offset, pending }
  }

  async #open(): Promise<void> {
    const random = this.#random
    const { last, evicted_through } = this.#mailbox()
    const offset = random.between(Math.max(0, evicted_through - 2), last)
    const after = random.chance(0.5)
      ? { epoch: random.chance(0.9) ? this.#epoch : 'other', offset }
      : undefined
    const ack = random.pick(['manual', 'auto', 'none'] as const)
    this.#done.push(`open ${after?.offset} ${ack}`)
    const model = this.#model.open(ADDRESS, after, ack, undefined)
    const answer = await this.#call(openCall(after, ack, undefined, this.#epoch))
    if (typeof model === 'string' || typeof answer === 'string') return this.#same('open', model, answer)
    const { position, recovered, pending, changes } = answer
    await this.#same('open', { ...model }, { position, recovered, pending, changes })
    this.#readers.push({ ack, model: model.position, lua: position })
  }

  #mailbox(): Mailbox {
    const { addresses } = this.#model as unknown as { addresses: Clients }
    return addresses.find(ADDRESS)!.mailbox
  }

  async #settle(): Promise<void> {
    const random = this.#random
    const { entries } = this.#mailbox()
    const leased = entries.leased()
    const all = [...entries.after(0)]
    const failed_delay_ms = random.pick([undefined, undefined, 0, 1000])
    const some = <T>(from: readonly T[]) => from.filter(() => random.chance(0.5))
    const which = random.next()
    const settle =
      which < 0.5
        ? {
            leases: {
              epoch: random.chance(0.95) ? this.#epoch : 'other',
              of: some(random.chance(0.8) ? leased : all.filter(({ attempts }) => attempts > 1)).map(
                ({ offset, attempts }) => ({
                  offset,
                  attempt: attempts - (random.chance(0.1) ? 1 : 0),
                }),
              ),
            },
          }
        : which < 0.8
          ? {
              message_ids: [
                ...some(all).map(({ message }) => message.message_id),
                ...(random.chance(0.2) ? ['no-such-id'] : []),
              ],
            }
          : {}
    this.#done.push(`settle ${failed_delay_ms ?? 'ack'} ${JSON.stringify(settle)}`)
    const model = this.#model.settle(ADDRESS, { ...settle, failed_delay_ms })
    const answer = await this.#call(settleCall({ ...settle, failed_delay_ms }))
    if (typeof model === 'string' || answer === 'unknown') return
    const lua =
      typeof answer === 'string' ? answer : { settled: answer.settled, unknown: answer.unknown.toSorted() }
    await this.#same('settle', { settled: model.settled, unknown: model.unknown.toSorted() }, lua)
  }

  async #take(): Promise<void> {
    const random = this.#random
    const ack = random.pick(['manual', 'auto', 'none'] as const)
    const take = { limit: random.pick([1, 3, 100]), bytes_max: random.pick([1, 500, 1e6]), ack }
    this.#done.push(`take ${ack} ${take.limit} ${take.bytes_max}`)
    const model = this.#model.read(ADDRESS, undefined, take)
    const lua = await this.#call(readCall(undefined, take))
    if (typeof model === 'string' || typeof lua === 'string') return
    const { due_ms: _, dying: _d, published: _p, grown: _g, ...answer } = lua
    await this.#same('take', plain(model), plain(await this.#afterAuto(ack, answer)))
  }

  async #history(): Promise<void> {
    const random = this.#random
    const { last } = this.#mailbox()
    const after = random.chance(0.5) ? { epoch: this.#epoch, offset: random.between(0, last) } : undefined
    const limit = random.pick([1, 3, 100])
    const bytes_max = random.pick([1, 500, 1e6])
    this.#done.push(`history ${after?.offset} ${limit} ${bytes_max}`)
    const model = this.#model.history(ADDRESS, { after }, limit, bytes_max)
    const lua = await this.#call(historyCall(after, limit, bytes_max))
    if (typeof lua === 'string') return
    const { due_ms: _, dying: _d, published: _p, grown: _g, ...answer } = lua
    await this.#same('history', plain(model), plain(answer))
  }

  async #rewrite(): Promise<void> {
    const random = this.#random
    const all = [...this.#mailbox().entries.after(0)].filter(() => random.chance(0.5))
    const messages = all.map(({ offset, message: { json } }) => {
      const payload = 'y'.repeat(random.pick([0, 5, 200, 700]))
      const after = JSON.stringify({ ...JSON.parse(json), payload })
      return { offset, before: random.chance(0.9) ? json : 'other', after: random.chance(0.9) ? after : json }
    })
    const dry_run = random.chance(0.3) ? { mailbox_bytes: 100, stored_bytes: 0 } : undefined
    const rewrite = { epoch: random.chance(0.95) ? this.#epoch : 'other', messages, dry_run }
    this.#done.push(`rewrite ${messages.map(({ offset }) => offset)}${dry_run ? ' dry' : ''}`)
    const model = this.#model.rewrite(ADDRESS, rewrite)
    const lua = await this.#call(rewriteCall(rewrite, Number.POSITIVE_INFINITY), false)
    if (typeof lua === 'string') return
    await this.#same('rewrite', { ...model }, { outcomes: lua.outcomes, bytes: lua.bytes })
  }

  async #sweep(): Promise<void> {
    this.#done.push('sweep')
    this.#model.sweep()
    // A sweep leaves alone what is not due; a read of any kind looks at the whole mailbox.
    this.#model.history(ADDRESS, {}, 1, 1)
    const client = this.#model.client(ADDRESS.project, { client_id: ADDRESS.client_id })
    await this.#call(sweepCall(ADDRESS, this.#limits))
    const lua = await this.#call(clientCall(ADDRESS), false)
    if (typeof lua === 'string' || !client) return
    const { epoch, offset, last, pending, leased, changes } = client
    const { bytes, history } = this.#mailbox()
    const model = { epoch, offset, last, pending, leased, changes, bytes, history, counted: bytes }
    const stored = { ...lua.client.mailbox, bytes: lua.client.bytes, history: lua.client.history }
    await this.#same('sweep', model, { ...stored, counted: this.#bytes })
  }

  /** @param repeats it may be made twice; one that may not is as good the second time */
  async #call<T>(call: MailboxCall<T>, repeats = true): Promise<T> {
    const context = {
      now: this.#now,
      generation: 'g',
      limits: this.#limits,
      publish: `PUBLISH ${this.#keys[0]}`,
      instance: 'i',
      number: ++this.#number,
    }
    const args = [...contextArgs(context), ...call.args]
    const answer = call.read(await this.server.run(call.script, this.#keys, args))
    if (typeof answer === 'object' && answer !== null) this.#bytes += (answer as Noted & T).grown
    // An answer that was lost is asked for again, under the same number, and is the same.
    if (repeats && this.#random.chance(0.1)) {
      const again = call.read(await this.server.run(call.script, this.#keys, args))
      if (!isRepeated(answer, again)) this.#differ('repeated', answer, again)
    }
    return answer
  }

  /** Compares two answers, and what was told and has died since. */
  async #same(what: string, model: unknown, lua: unknown): Promise<void> {
    if (!Bun.deepEquals(model, lua)) this.#differ(what, model, lua)
    const announced = (await this.server.announcements(this.#keys[0]!)).flatMap((text) =>
      text.split('\n').slice(1),
    )
    const expected = this.#announced
      .splice(0)
      .map(({ offset, changes, redelivery, rank, message_id, sender_id }) =>
        [offset, changes, redelivery ? 1 : 0, rank, message_id, sender_id].join(' '),
      )
    const told = announced.map((line) => line.split(' ').slice(0, 6).join(' '))
    if (!Bun.deepEquals(expected, told)) this.#differ(`${what}: announced`, expected, told)
    const letters = (await this.server.take(this.#keys[5]!)).map((text) => readOutgoing(text, ADDRESS).letter)
    const dead = this.#died.splice(0).filter(({ recipient_id }) => recipient_id === ADDRESS.client_id)
    if (!Bun.deepEquals(dead.map(plain), letters.map(plain))) this.#differ(`${what}: died`, dead, letters)
  }

  #differ(what: string, model: unknown, lua: unknown): never {
    const paths = differing(plain(model), plain(lua)).slice(0, 10)
    throw new Error([what, ...paths, 'after', ...this.#done.slice(-12)].join('\n  '))
  }
}

/**
 * Whether a second answer to a call says the same as the first. Of what the call acknowledged it has what is
 * still there.
 */
function isRepeated(first: unknown, second: unknown): boolean {
  const [before, after] = [first, second].map((answer) => {
    if (typeof answer !== 'object' || answer === null) return { rest: answer, acknowledged: [] }
    const { acknowledged = [], ...all } = answer as { acknowledged?: readonly Acked[] }
    // It announces nothing again.
    const rest = { ...all, published: '', grown: 0 }
    return { rest, acknowledged: acknowledged.map(({ message_id }) => message_id) }
  })
  const acknowledged = new Set(before!.acknowledged)
  return Bun.deepEquals(before!.rest, after!.rest) && after!.acknowledged.every((id) => acknowledged.has(id))
}

/** Where two values differ, each as `path: model, lua`. */
function differing(model: unknown, lua: unknown, path = ''): string[] {
  if (typeof model !== 'object' || typeof lua !== 'object' || model === null || lua === null)
    return Object.is(model, lua) ? [] : [`${path}: ${JSON.stringify(model)}, ${JSON.stringify(lua)}`]
  const names = new Set([...Object.keys(model), ...Object.keys(lua)])
  return [...names].flatMap((name) =>
    differing(model[name as keyof typeof model], lua[name as keyof typeof lua], `${path}/${name}`),
  )
}

/** A value as JSON has it: without members that are undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

import { runCommand } from '../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../src/broker/commands/index.ts'
import { ProtocolVersion } from '../../src/broker/protocols/family.ts'
import type { ProtocolDefinition } from '../../src/core/protocol/definition.ts'
import type { SchemaObject } from '../../src/core/protocol/json-schema.ts'
import { CHAT } from '../../src/core/protocol/ready/chat.ts'
import { admitSchema } from '../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../src/core/protocol/schema/checker.ts'
import type { DoorContext } from '../../src/transports/door.ts'
import { chatJson } from '../chat.ts'
import type { Micro } from './bench.ts'
import { brokerContext } from './path.ts'

/** Checks in a round. */
const CHECKS = 1000
/** Checks by the worker in a round. */
const ROUND_TRIPS = 50
const SESSIONS = 50
const PROTOCOLS = 20
/** Versions of each protocol. */
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0']
/** Two of these meet in one way or another, or not at all. */
const RANGES = ['^1.0.0', '>=1.1 <3', '^2.0.0', '~1.0.0', '1.2.0 || 2.1.0']

/**
 * A chat payload of 200 characters, checked in this thread.
 *
 * @param closed as the ready protocol is; else open
 */
export function check(closed: boolean): Micro {
  return {
    name: `check chat payload, ${closed ? 'closed' : 'open'}`,
    item: 'payload',
    items: CHECKS,
    prepare() {
      const { additionalProperties: _, ...open } = CHAT.schema as SchemaObject
      const checker = compileSchema(admitSchema(closed ? CHAT.schema : open))
      // Several, as they come off the wire: one alone could be checked once for all.
      const payloads = Array.from({ length: 100 }, (_, n) => JSON.parse(chatJson(n, 0)) as unknown)
      return () => {
        let fit = 0
        for (let i = 0; i < CHECKS; i++) if (checker.check(payloads[i % 100])) fit++
        if (fit < CHECKS) throw new Error('a payload does not fit')
      }
    },
  }
}

/** What registration does of itself with a schema of 4 KB, and the first check. */
export const compile: Micro = {
  name: 'admit + compile a 4 KB schema',
  item: 'schema',
  items: 1,
  prepare() {
    const text = JSON.stringify(largeSchema())
    return () => {
      if (compileSchema(admitSchema(JSON.parse(text))).check({})) throw new Error('members are required')
    }
  },
}

/** All of a registration but the record: the worker runs, and compiles the schema first. */
export const registration: Micro = {
  name: 'register a 4 KB schema',
  item: 'registration',
  items: 1,
  prepare() {
    const context = brokerContext()
    const text = JSON.stringify({ name: 'large', version: '1.0.0', schema: largeSchema(), dry_run: true })
    return async () => {
      await run(context, 'register_protocol', JSON.parse(text))
    }
  },
}

/** Each with each: sessions that all say something else of as many protocols. */
export const negotiation: Micro = {
  name: `negotiate ${SESSIONS} × ${PROTOCOLS}`,
  item: 'negotiation',
  items: 1,
  prepare() {
    const context = brokerContext()
    const { registry } = context.broker.protocols
    const names = Array.from({ length: PROTOCOLS }, (_, p) => `protocol_${p}`)
    for (const name of names)
      for (const version of VERSIONS)
        void registry.write('default', { ...CHAT, name, version, registered_ms: 0 }, 0)
    const session_ids = Array.from({ length: SESSIONS }, (_, s) => `session-${s}`)
    for (const [s, client_id] of session_ids.entries()) {
      const range = (p: number) => RANGES[(s + p * (1 + (s % 7))) % RANGES.length]
      const protocols = Object.fromEntries(names.map((name, p) => [name, range(p)]))
      void run(context, 'checkin_client', { client_id, capabilities: { protocols } })
    }
    return async () => {
      await run(context, 'negotiate_capabilities', { session_ids })
    }
  },
}

/** A payload whose schema reaches itself: no bound is known for its check, so the worker does it. */
export const roundTrip: Micro = {
  name: 'worker round trip of a task tree',
  item: 'message',
  items: ROUND_TRIPS,
  prepare() {
    const { validation } = brokerContext().broker.protocols
    const version = new ProtocolVersion({ ...TASK_TREE, registered_ms: 0 }, 'default', 1, 0)
    const text = JSON.stringify(tree(3))
    const from = { project: 'default', sender_id: 'source' }
    return async () => {
      for (let i = 0; i < ROUND_TRIPS; i++) {
        const checking = validation.check(version, from, JSON.parse(text), text.length)
        if (!(checking instanceof Promise)) throw new Error('the worker was not asked')
        if (await checking) throw new Error('the tree does not fit')
      }
    }
  },
}

const TASK_TREE: ProtocolDefinition = {
  ...CHAT,
  name: 'task_tree',
  schema: {
    type: 'object',
    required: ['title'],
    additionalProperties: false,
    properties: {
      title: { type: 'string', maxLength: 200 },
      state: { enum: ['submitted', 'working', 'completed'] },
      parts: { type: 'array', maxItems: 50, items: { $ref: '#' } },
    },
  },
}

/** @param depth of parts in parts; each task has three */
function tree(depth: number): object {
  const parts = depth === 0 ? [] : Array.from({ length: 3 }, () => tree(depth - 1))
  return { title: `A task with ${parts.length} parts`, state: 'working', parts }
}

/** Objects in an object, closed, with texts, numbers, lists, and a pattern: 4 KB of JSON. */
function largeSchema(): SchemaObject {
  const part = (n: number) => ({
    type: 'object',
    required: ['title'],
    additionalProperties: false,
    properties: {
      title: { type: 'string', minLength: 1, maxLength: 200, description: `what part ${n} is called` },
      state: { enum: ['submitted', 'working', 'completed', 'failed'] },
      key: { type: 'string', pattern: '^[a-z][a-z0-9_]*$' },
      percent: { type: 'number', minimum: 0, maximum: 100 },
      files: { type: 'array', maxItems: 50, items: { type: 'string', maxLength: 512 } },
    },
  })
  const names = Array.from({ length: 10 }, (_, n) => `part_${n}`)
  const properties = Object.fromEntries(names.map((name, n) => [name, part(n)]))
  return { type: 'object', required: names, additionalProperties: false, properties }
}

/** Carries out a command for a caller without a session. @returns its output, or a promise of it */
function run({ broker, keys }: DoorContext, name: string, input: unknown): unknown {
  const identity = keys.identify({ key: undefined, project: undefined })
  return runCommand(broker, COMMANDS_BY_NAME.get(name)!, identity, input)
}

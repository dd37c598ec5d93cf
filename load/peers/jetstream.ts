import { findProgram } from '../../tests/programs.ts'
import { diskFolder } from '../folder.ts'
import type { ReceiptPeer } from '../receipts.ts'
import type { Server } from '../server.ts'
import { connectNats, startNats } from './nats.ts'

const STREAM = 'pairs'
/** As much history as a mailbox keeps, in messages and in nanoseconds. */
const LIMITS = { max_msgs_per_subject: 1024, max_age: 300e9 }

/**
 * nats-server with JetStream on a folder of its own: one stream in files, a subject and a consumer for each reader, who is
 * pushed to and acknowledges each message; publishers are told of each that it is stored. Source: the NATS client
 * protocol, and the JetStream wire API.
 */
export const JETSTREAM: ReceiptPeer = {
  name: 'nats JetStream',
  async start() {
    const program = findProgram(['nats-server'], 'nats-server', 'the comparison with JetStream')
    if (!program) return undefined
    const folder = diskFolder()
    const server = await startNats(program, folder, `jetstream { store_dir: "${folder}" }\n`)
    await ask(server, `STREAM.CREATE.${STREAM}`, {
      name: STREAM,
      subjects: ['to.*'],
      storage: 'file',
      retention: 'limits',
      discard: 'old',
      num_replicas: 1,
      ...LIMITS,
    })
    return server
  },
  async read(server, name, onMessage) {
    let due = ''
    const acknowledge = () => {
      const frame = due
      due = ''
      socket.send(frame)
    }
    const onDelivery = (payload: string, head: string) => {
      if (due === '') queueMicrotask(acknowledge)
      due += `PUB ${head.split(' ')[3]} 4\r\n+ACK\r\n`
      onMessage(JSON.parse(payload))
    }
    const socket = await connectNats(server, onDelivery, `SUB deliver.${name} 1\r\n`)
    await ask(server, `CONSUMER.DURABLE.CREATE.${STREAM}.${name}`, {
      stream_name: STREAM,
      config: {
        durable_name: name,
        deliver_subject: `deliver.${name}`,
        deliver_policy: 'all',
        ack_policy: 'explicit',
        filter_subject: `to.${name}`,
      },
    })
    readers(server).push(name)
  },
  async write(server, name, recipient, onReceipt) {
    const inbox = `_INBOX.${name}.`
    const onAnswer = (answer: string, head: string) => {
      if (answer.startsWith('{"stream"'))
        onReceipt(Number(head.slice(head.indexOf(inbox) + inbox.length).split(' ')[0]))
    }
    const socket = await connectNats(server, onAnswer, `SUB ${inbox}* 1\r\n`)
    return (first, payloads) => {
      const publish = (payload: string, i: number) =>
        `PUB to.${recipient} ${inbox}${first + i} ${payload.length}\r\n${payload}\r\n`
      socket.send(payloads.map(publish).join(''))
    }
  },
  async unacknowledged(server) {
    let sum = 0
    for (const name of readers(server)) {
      const info = await ask(server, `CONSUMER.INFO.${STREAM}.${name}`, {})
      sum += Number(info.num_pending) + Number(info.num_ack_pending)
    }
    return sum
  },
}

/** Names of the readers of each server. */
const READERS = new WeakMap<Server, string[]>()

function readers(server: Server): string[] {
  const names = READERS.get(server) ?? []
  READERS.set(server, names)
  return names
}

let asked = 0

/** Asks the JetStream API. @throws Error when it refuses */
async function ask(server: Server, what: string, request: object): Promise<Record<string, unknown>> {
  const answered = Promise.withResolvers<string>()
  // Of its own: an answer goes to everybody who listens there.
  const inbox = `_INBOX.api.${++asked}`
  const socket = await connectNats(server, answered.resolve, `SUB ${inbox} 1\r\n`)
  const body = JSON.stringify(request)
  socket.send(`PUB $JS.API.${what} ${inbox} ${body.length}\r\n${body}\r\n`)
  const answer = JSON.parse(await answered.promise)
  socket.close()
  if (answer.error) throw new Error(`JetStream refused ${what}: ${JSON.stringify(answer.error)}`)
  return answer
}

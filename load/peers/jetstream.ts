import { findProgram } from '../../tests/programs.ts'
import { diskFolder } from '../folder.ts'
import type { ReceiptPeer } from '../receipts.ts'
import type { Server } from '../server.ts'
import { connectNats, startNats } from './nats.ts'

/** As much history as a mailbox keeps, and for as long, in nanoseconds. */
const HISTORY = { messages: 1024, age: 300e9 }

/** Of a stream: files, and history as a mailbox has it. */
const STREAM = {
  storage: 'file',
  retention: 'limits',
  discard: 'old',
  num_replicas: 1,
  max_age: HISTORY.age,
  max_msgs_per_subject: HISTORY.messages,
}

/** All readers on one stream, with a subject for each. */
export const JETSTREAM = jetstream('JetStream, one stream', () => 'pairs')

/** A stream for each reader. */
export const JETSTREAM_STREAMS = jetstream('JetStream, a stream each', (reader) => reader)

/**
 * nats-server with JetStream on a folder of its own. Each reader has a consumer that pushes to it, and
 * acknowledges each message; publishers are told of each that it is stored. Source: the NATS client protocol,
 * and the JetStream wire API.
 *
 * @param streamOf names the stream of a reader
 */
function jetstream(name: string, streamOf: (reader: string) => string): ReceiptPeer {
  return {
    name,
    async start() {
      const program = findProgram(['nats-server'], 'nats-server', 'the comparison with JetStream')
      if (!program) return undefined
      const folder = diskFolder()
      return startNats(program, folder, `jetstream { store_dir: "${folder}" }\n`)
    },
    async read(server, reader, onMessage) {
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
      const socket = await connectNats(server, onDelivery, `SUB deliver.${reader} 1\r\n`)
      const stream = streamOf(reader)
      // One that is there with the same settings is made again without harm.
      const subjects = [stream === reader ? `to.${reader}` : 'to.*']
      await ask(server, `STREAM.CREATE.${stream}`, { ...STREAM, name: stream, subjects })
      await ask(server, `CONSUMER.DURABLE.CREATE.${stream}.${reader}`, {
        stream_name: stream,
        config: {
          durable_name: reader,
          deliver_subject: `deliver.${reader}`,
          deliver_policy: 'all',
          ack_policy: 'explicit',
          filter_subject: `to.${reader}`,
        },
      })
      consumers(server).push(`${stream}.${reader}`)
    },
    async write(server, sender, recipient, onReceipt) {
      const inbox = `_INBOX.${sender}.`
      const onAnswer = (answer: string, head: string) => {
        // Anything else is a refusal, and its message counts as lost.
        if (answer.startsWith('{"stream"')) onReceipt(Number(head.split(' ')[1]!.slice(inbox.length)))
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
      for (const consumer of consumers(server)) {
        const info = await ask(server, `CONSUMER.INFO.${consumer}`, {})
        sum += Number(info.num_pending) + Number(info.num_ack_pending)
      }
      return sum
    },
  }
}

/** Of each server, as stream and name. */
const CONSUMERS = new WeakMap<Server, string[]>()

function consumers(server: Server): string[] {
  const names = CONSUMERS.get(server) ?? []
  CONSUMERS.set(server, names)
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

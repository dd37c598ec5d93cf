import { connectReader, connectSender } from '../clients/rpc.ts'
import { Instances } from '../instances.ts'
import { sendFrame } from './broker.ts'
import type { Peer } from './peer.ts'

/** How the pairs lie on several brokers. */
export interface Spread {
  readonly instances: number
  /** The sender of each pair is at another broker than its reader. */
  readonly apart: boolean
}

/** Brokers that are one by a Redis server, talked to as a single one is; the pairs go to all in turn. */
export function redisPeer({ instances, apart }: Spread): Peer<Instances> {
  const urlFor = ({ urls }: Instances, pair: number) => urls[pair % urls.length]!
  return {
    name: `Redis, ${instances} ${instances === 1 ? 'instance' : 'instances'}${apart ? ', apart' : ''}`,
    start: () => Instances.start(instances),
    async read(carrier, name, onMessage, pair) {
      await connectReader(urlFor(carrier, pair), name, ({ message }) => onMessage(message.payload))
    },
    async write(carrier, name, recipient, pair) {
      const rpc = await connectSender(urlFor(carrier, apart ? pair + 1 : pair), name)
      return (payloads) => rpc.send(sendFrame(recipient, payloads))
    },
  }
}

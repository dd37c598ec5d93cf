import type { Payload } from '../open-loop.ts'
import type { Server } from '../server.ts'
import type { Carrier } from '../window.ts'

/** Sends messages to one reader, in one frame where the peer knows such. @param payloads each as JSON */
export type Send = (payloads: readonly string[]) => void

/** A kind of server that carries messages from one named end to another, and how it is talked to. */
export interface Peer<C extends Carrier = Server> {
  readonly name: string
  /** Makes a payload of a number and a time, as JSON; `payloadJson` where it is left out. */
  readonly payload?: (n: number, intended_ms: number) => string
  /** Undefined where the program is not installed. */
  start(): Promise<C | undefined>
  /** Connects an end that reads what is sent to its name. @param pair which of the pairs it is of, from 0 */
  read(carrier: C, name: string, onMessage: (payload: Payload) => void, pair: number): Promise<void>
  /** Connects an end that sends to one name. @param pair as in `read` */
  write(carrier: C, name: string, recipient: string, pair: number): Promise<Send>
}

import type { Payload } from '../open-loop.ts'
import type { Server } from '../server.ts'

/** Sends messages to one reader, in one frame where the peer knows such. @param payloads each as JSON */
export type Send = (payloads: readonly string[]) => void

/** A kind of server that carries messages from one named end to another, and how it is talked to. */
export interface Peer {
  readonly name: string
  /** Makes a payload of a number and a time, as JSON; `payloadJson` where it is left out. */
  readonly payload?: (n: number, intended_ms: number) => string
  /** Undefined where the program is not installed. */
  start(): Promise<Server | undefined>
  /** Connects an end that reads what is sent to its name. */
  read(server: Server, name: string, onMessage: (payload: Payload) => void): Promise<void>
  /** Connects an end that sends to one name. */
  write(server: Server, name: string, recipient: string): Promise<Send>
}

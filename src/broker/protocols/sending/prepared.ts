import type { AdaptedFrom, StoredMessage } from '../../../core/message.ts'
import type { ProtocolCapability } from '../../../core/protocol/definition.ts'
import type { Variant } from '../../../engine/values.ts'

/** What a receipt says of a message's protocol. */
export interface Terms {
  /** The version that the recipient gets; of a broadcast the one that was sent. None unless registered. */
  readonly protocol_version?: string
  /** What the payload was before adapters turned it into that version. */
  readonly adapted_from?: AdaptedFrom
  readonly warnings: readonly string[]
}

/** A message that is ready to be stored for one recipient. */
export interface Prepared extends Terms {
  readonly message: StoredMessage
}

/** A recipient of a broadcast, and the range of the protocol that it takes; undefined: it does not say. */
export interface Taker {
  readonly client_id: string
  readonly range: string | undefined
}

export interface NotTaken {
  readonly recipient_id: string
  readonly reason: string
  /** One sentence. */
  readonly detail: string
}

/** A broadcast that is ready to be stored: a message for each version, encoded once. */
export interface PreparedMany extends Terms {
  readonly variants: readonly Variant[]
  readonly refused: readonly NotTaken[]
}

/** Who sends, and by which way, which a protocol may rule out. */
export interface Sending {
  readonly project: string
  readonly sender_id: string
  readonly by: ProtocolCapability
}

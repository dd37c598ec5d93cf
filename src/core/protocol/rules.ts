/** What a project says of its protocols, and what the broker takes. */
export interface ProtocolRules {
  /**
   * `open`: an unknown protocol or version is let through, with a warning. `registered`: a protocol that is
   * named must be registered. `required`: each message names one that is.
   */
  readonly protocol_mode: ProtocolMode
  /** Whether the ready protocols are there, in projects that have not registered their names. */
  readonly protocols_builtin: boolean
  /** Protocol versions in one project. */
  readonly protocols_max: number
  /** Bytes of all definitions in one project, as JSON. */
  readonly protocols_bytes_max: number
}

export type ProtocolMode = 'open' | 'registered' | 'required'

export const DEFAULT_PROTOCOL_RULES: ProtocolRules = {
  protocol_mode: 'open',
  protocols_builtin: true,
  protocols_max: 1000,
  protocols_bytes_max: 32 * 1024 * 1024,
}

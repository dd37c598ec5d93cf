/** One hostile definition, and payloads that are sent by it. */
export interface Case {
  readonly name: string
  /** Of the definition; JSON text where it is too deep to be made of a value. */
  readonly schema: unknown
  /** As JSON text. */
  readonly schema_text?: string
  readonly more?: object
  /** What registration may answer: the code of a refusal, or `created`. */
  readonly answer: string | readonly string[]
  /** Payloads and what their sends answer: the code of a refusal, or `sent`. */
  readonly sends?: readonly Send[]
}

export interface Send {
  readonly payload?: unknown
  /** JSON text, instead. */
  readonly payload_text?: string
  readonly answer: string | readonly string[]
}

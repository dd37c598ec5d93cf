/**
 * One step of an adapter: RFC 6902, with `*` as a part of a pointer for each item of an array (`~2` is a
 * member that is named `*`), and seven operations more. `optional` has a missing source mean: nothing to do.
 */
export type Operation =
  | { readonly op: 'add' | 'test'; readonly path: string; readonly value: unknown }
  | {
      readonly op: 'replace'
      readonly path: string
      readonly value: unknown
      readonly optional?: boolean
    }
  | { readonly op: 'remove'; readonly path: string }
  | {
      readonly op: 'move' | 'copy'
      readonly from: string
      readonly path: string
      readonly optional?: boolean
    }
  /** Gives a member another name in the same object. */
  | { readonly op: 'rename'; readonly path: string; readonly to: string }
  /** Adds a value where there is none. */
  | { readonly op: 'default'; readonly path: string; readonly value: unknown }
  /** Replaces a text by the value under it; without an entry, by `otherwise`, else it stays. */
  | {
      readonly op: 'map'
      readonly path: string
      readonly values: Readonly<Record<string, unknown>>
      readonly otherwise?: unknown
    }
  /** Splits a text into members of the object that it is a member of. `last`: at the last separator. */
  | {
      readonly op: 'split'
      readonly path: string
      readonly separator: string
      readonly into: readonly string[]
      readonly last?: boolean
      readonly rest?: string
    }
  /** The reverse of `split`: joins members of the same object into `path`. */
  | {
      readonly op: 'join'
      readonly path: string
      readonly from: readonly string[]
      readonly separator: string
    }
  /** A value into an array of one, and the first item out of an array. */
  | { readonly op: 'wrap' | 'unwrap'; readonly path: string }

export type OperationName = Operation['op']
export type OperationOf<Name extends OperationName> = Operation & { readonly op: Name }

/** How payloads of `from` become the version that the adapter is registered with, and back. */
export interface Adapter {
  /** A version or a range of the same protocol. */
  readonly from: string
  readonly up?: readonly Operation[]
  readonly down?: readonly Operation[]
}

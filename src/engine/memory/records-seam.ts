import type { MaybePromise } from '../../core/maybe-promise.ts'

/** One page of a list. `next`, if there is more, is the `after` of the following page. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
}

/** A small document. Versions rise from 1, also over a deletion. */
export interface Versioned {
  readonly id: string
  readonly value: unknown
  readonly version: number
}

/** Documents by kind, project and id. */
export interface Records {
  get(kind: string, project: string, id: string): MaybePromise<Versioned | undefined>
  /**
   * @param value undefined deletes
   * @param expected the version that is replaced; 0: there is none; undefined: any
   * @returns the record's version now; not `ok`: another than expected
   */
  put(
    kind: string,
    project: string,
    id: string,
    value: unknown,
    expected: number | undefined,
  ): MaybePromise<{ readonly ok: boolean; readonly version: number }>
  /** In order of id, those whose id begins with `prefix`. @param after the `next` of the page before */
  list(
    kind: string,
    project: string,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): MaybePromise<Page<Versioned>>
}

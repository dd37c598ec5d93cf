import type { Records } from '../engine.ts'
import type { Page, Versioned } from '../values.ts'
import { OrderedIds } from './ordered-ids.ts'

/** The records of one kind in one project. */
interface Table {
  readonly ids: OrderedIds
  readonly records: Map<string, Versioned>
  /** The highest version that a deletion has taken here. */
  deleted: number
}

/**
 * Records in memory. Nothing is kept of a deleted record but one number for its kind and project: the
 * highest version of any deletion there. A new record begins above it, so its versions go on from those that
 * it had before, and may begin above 1 if it had none.
 */
export class MemoryRecords implements Records {
  /** By kind and project. */
  readonly #tables = new Map<string, Map<string, Table>>()

  /**
   * @param changed called once after each change, deletions included, and before `put` answers
   * @param mustWrite called before each change; throws where it could not be written
   */
  constructor(
    private readonly changed: (kind: string, project: string, id: string, version: number) => void,
    private readonly mustWrite?: (() => void) | undefined,
  ) {}

  /** Puts back a record that was written down, or the highest version that a deletion has taken. */
  restore(kind: string, project: string, id: string, version: number, value: unknown): void {
    const table = this.#table(kind, project)
    if (value === undefined) {
      table.deleted = Math.max(table.deleted, version)
      // The record may have been made anew since.
      if ((table.records.get(id)?.version ?? 0) > version) return
      table.records.delete(id)
      table.ids.delete(id)
    } else {
      table.records.set(id, { id, value, version })
      table.ids.add(id)
    }
  }

  /** The value of a record as it is kept, not to be changed; undefined if its version is another. */
  valueOf(kind: string, project: string, id: string, version: number): unknown {
    const record = this.#tables.get(kind)?.get(project)?.records.get(id)
    return record?.version === version ? record.value : undefined
  }

  /** The highest version that a deletion has taken; 0 before the first. */
  deletedIn(kind: string, project: string): number {
    return this.#tables.get(kind)?.get(project)?.deleted ?? 0
  }

  get(kind: string, project: string, id: string): Versioned | undefined {
    return structuredClone(this.#tables.get(kind)?.get(project)?.records.get(id))
  }

  /** @throws DataCloneError when the value is no plain data; StorageFailed when it could not be written */
  put(
    kind: string,
    project: string,
    id: string,
    value: unknown,
    expected: number | undefined,
  ): { ok: boolean; version: number } {
    const copy = structuredClone(value)
    const before = this.#tables.get(kind)?.get(project)?.records.get(id)
    const current = before?.version ?? 0
    if (expected !== undefined && expected !== current) return { ok: false, version: current }
    if (copy === undefined && !before) return { ok: true, version: 0 }
    this.mustWrite?.()
    const table = this.#table(kind, project)
    const version = (before?.version ?? table.deleted) + 1
    if (copy === undefined) {
      table.records.delete(id)
      table.ids.delete(id)
      table.deleted = Math.max(table.deleted, version)
    } else {
      table.records.set(id, { id, value: copy, version })
      table.ids.add(id)
    }
    this.changed(kind, project, id, version)
    return { ok: true, version }
  }

  /** @param limit at least 1 */
  list(
    kind: string,
    project: string,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): Page<Versioned> {
    const items: Versioned[] = []
    const table = this.#tables.get(kind)?.get(project)
    if (!table) return { items, next: undefined }
    const follows = after !== undefined && after >= prefix
    for (const id of table.ids.from(follows ? after : prefix, !follows)) {
      if (!id.startsWith(prefix)) break
      if (items.length === limit) return { items, next: items.at(-1)?.id }
      items.push(structuredClone(table.records.get(id)!))
    }
    return { items, next: undefined }
  }

  #table(kind: string, project: string): Table {
    const tables = this.#tables.getOrInsertComputed(kind, () => new Map<string, Table>())
    return tables.getOrInsertComputed(project, () => ({
      ids: new OrderedIds(),
      records: new Map<string, Versioned>(),
      deleted: 0,
    }))
  }
}

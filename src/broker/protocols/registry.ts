import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import type { RegisteredProtocol } from '../../core/protocol/definition.ts'
import { READY_PROTOCOLS } from '../../core/protocol/ready/index.ts'
import type { Records } from '../../engine/engine.ts'
import type { Page, Versioned } from '../../engine/values.ts'
import { NearNames } from '../near-names.ts'
import { nextTurn, TURN_MS_MAX } from '../turns.ts'
import { Family, ProtocolVersion } from './family.ts'

/** The kind of the records; an id is `name/version`. */
const KIND = 'protocol'
/** Records in one page of a project's protocols; each may have a hundred kilobytes, which are measured. */
const PAGE = 32
/** Bytes of definitions that an instance holds of all projects; those that are used least are read again. */
const HELD_BYTES_MAX = 64 * 1024 * 1024

/** The protocols that are there in every project that has not registered their names. */
const READY: ReadonlyMap<string, Family> = new Map(
  READY_PROTOCOLS.map((definition) => {
    const family = new Family(definition.name)
    const registered: RegisteredProtocol = { ...definition, registered_ms: 0 }
    family.put(new ProtocolVersion(registered, '', 0, 0))
    return [definition.name, family]
  }),
)

/** The protocols of one project, all of them. */
export class ProjectProtocols {
  readonly #families = new Map<string, Family>()
  /** Versions registered in the project, and the bytes of their definitions. Ready ones do not count. */
  count = 0
  bytes = 0
  /** Rises with each use, over all projects. */
  used = 0

  constructor(
    private readonly project: string,
    private readonly ready: boolean,
    private readonly near_names: NearNames,
  ) {}

  /** The versions of a protocol; undefined where there is none. */
  family(name: string): Family | undefined {
    return this.#families.get(name) ?? (this.ready ? READY.get(name) : undefined)
  }

  /** Whether the project has registered this name itself. */
  has(name: string): boolean {
    return this.#families.has(name)
  }

  /** Names in order, ready ones included. */
  names(): string[] {
    const names = new Set(this.#families.keys())
    if (this.ready) for (const name of READY.keys()) names.add(name)
    return [...names].sort()
  }

  /** The known names nearest to an unknown one. In an open project, every send may ask for them. */
  near(name: string): readonly string[] {
    return this.near_names.of(this.project, name, () => this.names()) as readonly string[]
  }

  /** Takes over a record, unless a later version of it is known. @returns what is held now */
  put({ value, version }: Versioned): ProtocolVersion {
    const registered = value as RegisteredProtocol
    const { name } = registered
    const family = this.#families.getOrInsertComputed(name, () => new Family(name))
    const before = family.get(registered.version)
    if (before && before.record_version >= version) return before
    const bytes = JSON.stringify(registered).length
    const held = new ProtocolVersion(registered, this.project, version, bytes)
    family.put(held)
    this.count += before ? 0 : 1
    this.bytes += bytes - (before?.bytes ?? 0)
    return held
  }

  knows(id: string, record_version: number): boolean {
    const [name, version] = id.split('/') as [string, string]
    return (this.#families.get(name)?.get(version)?.record_version ?? 0) >= record_version
  }
}

/** A project whose records are being read. */
interface Loading {
  readonly loaded: Promise<ProjectProtocols>
  /** Records that have changed since, and are read again. */
  readonly changed: Set<string>
}

/**
 * The registered protocols. They are records of the engine; an instance holds all those of a project once it
 * has needed one, and hears of changes by the engine's event. So nearly every question is answered at once.
 */
export class Registry {
  readonly #projects = new Map<string, ProjectProtocols>()
  readonly #loading = new Map<string, Loading>()
  readonly #near_names: NearNames
  /** The last change of each project that is held to its bounds. */
  readonly #changing = new Map<string, Promise<unknown>>()
  #uses = 0
  /** Rises when changes may have gone unheard: what was being read then is not held. */
  #missed = 0

  /**
   * @param ready whether the ready protocols are offered
   * @param now milliseconds since the epoch
   */
  constructor(
    private readonly records: Records,
    private readonly ready: boolean,
    now: () => number,
  ) {
    this.#near_names = new NearNames(now)
  }

  /** The protocols of a project. @throws StorageFailed */
  of(project: string): MaybePromise<ProjectProtocols> {
    const held = this.#projects.get(project)
    if (!held) return this.#loading.get(project)?.loaded ?? this.#load(project)
    held.used = ++this.#uses
    return held
  }

  #load(project: string): MaybePromise<ProjectProtocols> {
    const protocols = new ProjectProtocols(project, this.ready, this.#near_names)
    let turn_ms = performance.now()
    const read = (after?: string): MaybePromise<void> =>
      then(this.records.list(KIND, project, '', after, PAGE), ({ items, next }: Page<Versioned>) => {
        for (const record of items) protocols.put(record)
        if (next === undefined) return
        if (performance.now() - turn_ms < TURN_MS_MAX) return read(next)
        return nextTurn().then(() => {
          turn_ms = performance.now()
          return read(next)
        })
      })
    const reading = read()
    if (!(reading instanceof Promise)) return this.#hold(project, protocols)
    const changed = new Set<string>()
    const missed = this.#missed
    const load = async (): Promise<ProjectProtocols> => {
      try {
        await reading
        for (const id of changed) {
          changed.delete(id)
          await this.#readOne(project, protocols, id)
        }
        // In the turn of the last look at what has changed: a change comes before it, or is heard after.
        return missed === this.#missed ? this.#hold(project, protocols) : protocols
      } finally {
        if (this.#loading.get(project) === loading) this.#loading.delete(project)
      }
    }
    const loading: Loading = { loaded: load(), changed }
    this.#loading.set(project, loading)
    return loading.loaded
  }

  #hold(project: string, protocols: ProjectProtocols): ProjectProtocols {
    this.#projects.set(project, protocols)
    protocols.used = ++this.#uses
    let bytes = 0
    for (const held of this.#projects.values()) bytes += held.bytes
    for (const [name, held] of [...this.#projects].sort(([, a], [, b]) => a.used - b.used)) {
      if (bytes <= HELD_BYTES_MAX || held === protocols) break
      this.#projects.delete(name)
      bytes -= held.bytes
    }
    return protocols
  }

  #readOne(project: string, protocols: ProjectProtocols, id: string): MaybePromise<void> {
    return then(this.records.get(KIND, project, id), (record) => {
      if (record) protocols.put(record)
    })
  }

  /** A record of this kind has changed, here or on another instance. */
  changed(kind: string, project: string, id: string, version: number): void {
    if (kind !== KIND) return
    this.#loading.get(project)?.changed.add(id)
    const held = this.#projects.get(project)
    if (!held || held.knows(id, version)) return
    try {
      const reading = this.#readOne(project, held, id)
      // What cannot be read now is read with the whole project, at its next use.
      if (reading instanceof Promise) reading.catch(() => this.#projects.delete(project))
    } catch {
      this.#projects.delete(project)
    }
  }

  /** Changes may have gone unheard: everything is read again. */
  missed(): void {
    this.#missed++
    this.#projects.clear()
    this.#loading.clear()
  }

  /** Has one change of a project at a time look at its bounds and write: the next one counts it. */
  async alone<T>(project: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(project)
    const changing = before ? before.then(change, change) : change()
    this.#changing.set(project, changing)
    try {
      return await changing
    } finally {
      if (this.#changing.get(project) === changing) this.#changing.delete(project)
    }
  }

  /**
   * Writes one version.
   *
   * @param expected the version of the record that it replaces; 0: there is none
   * @returns what is held now; undefined when another writer was first, whose record is held then
   */
  write(
    project: string,
    registered: RegisteredProtocol,
    expected: number,
  ): MaybePromise<ProtocolVersion | undefined> {
    const id = `${registered.name}/${registered.version}`
    return then(this.records.put(KIND, project, id, registered, expected), ({ ok, version }) =>
      then(this.of(project), (protocols) => {
        if (ok) return protocols.put({ id, value: registered, version })
        return then(this.#readOne(project, protocols, id), () => undefined)
      }),
    )
  }
}

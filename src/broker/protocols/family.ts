import { Chains, type Step } from '../../core/protocol/adapter/chain.ts'
import type { RegisteredProtocol } from '../../core/protocol/definition.ts'
import {
  type ChosenVersion,
  type RegisteredVersion,
  type VersionRefusal,
  versionToDeliver,
  versionToSend,
} from '../../core/protocol/negotiation/choice.ts'
import type { Checker } from '../../core/protocol/schema/checker.ts'
import { newestFirst } from '../../core/protocol/versions.ts'

/** Upper bounds of the checks per node of a payload. */
export interface Weights {
  /** As in `AdmittedSchema`; for a version that is slow it has no bound. */
  readonly weight: number
  /** The same, but with a bound too for a recursive schema that goes down each payload once. */
  readonly weight_once: number
}

/** One version of a protocol, as this instance holds it. */
export class ProtocolVersion {
  /** Compiled at the first use, and given up when it has not been used for a while. */
  checker: Checker | undefined
  /** Found at the first use. */
  weights: Weights | undefined
  /** Used since the last look for checkers to give up. */
  used = false
  /** Bytes of {@link checker}. */
  checker_bytes = 0
  /** It took long to compile: that is done by the worker only, and so are all checks. */
  slow: boolean
  #key: string | undefined

  /**
   * @param project empty for a ready protocol
   * @param record_version 0 for one that has no record
   * @param bytes of the definition as JSON
   */
  constructor(
    readonly registered: RegisteredProtocol,
    private readonly project: string,
    readonly record_version: number,
    readonly bytes: number,
  ) {
    this.slow = registered.slow === true
  }

  get name(): string {
    return this.registered.name
  }

  get version(): string {
    return this.registered.version
  }

  /**
   * Names the schema for the worker. It says what is in it: a definition that was refused leaves no trace.
   */
  get key(): string {
    this.#key ??= `${this.project}/${sha256(JSON.stringify(this.registered.schema))}`
    return this.#key
  }
}

/** How many choices of a version are kept, of all protocols together. */
const CHOICES_MAX = 20_000
/** What choices are kept in, and how many there are. */
const kept = { in: new Set<Map<unknown, unknown>>(), count: 0 }

/** All versions of one protocol in one project. */
export class Family {
  readonly #versions = new Map<string, ProtocolVersion>()
  /** The one asked for last: messages of one version come in runs. */
  #last: ProtocolVersion | undefined
  #newest: readonly ProtocolVersion[] | undefined
  #choosable: readonly RegisteredVersion[] | undefined
  #chains: Chains | undefined
  readonly #choices = new Map<string, ChosenVersion | VersionRefusal>()
  /** By the sender's version, then the recipient's range. */
  readonly #deliveries = new Map<ProtocolVersion, Map<string | undefined, ChosenVersion | VersionRefusal>>()

  constructor(readonly name: string) {}

  get(version: string): ProtocolVersion | undefined {
    const last = this.#last
    if (last?.registered.version === version) return last
    const found = this.#versions.get(version)
    if (found) this.#last = found
    return found
  }

  /** The newest first. */
  get newest(): readonly ProtocolVersion[] {
    this.#newest ??= newestFirst([...this.#versions.keys()]).map((version) => this.#versions.get(version)!)
    return this.#newest
  }

  put(version: ProtocolVersion): void {
    this.#versions.set(version.version, version)
    this.#last = undefined
    this.#newest = undefined
    this.#choosable = undefined
    this.#chains = undefined
    this.#choices.clear()
    this.#deliveries.clear()
  }

  /** The shortest chain of adapters; undefined where there is none. */
  chain(from: string, to: string): readonly Step[] | undefined {
    this.#chains ??= new Chains(this.newest.map(({ registered }) => registered))
    return this.#chains.between(from, to)
  }

  /** How many steps lead from one version to another. */
  readonly steps = (from: string, to: string): number | undefined => this.chain(from, to)?.length

  /** The versions, newest first, as far as a choice among them needs it. */
  get choosable(): readonly RegisteredVersion[] {
    this.#choosable ??= this.newest.map(({ version, registered }) => ({
      version,
      deprecated: registered.deprecated !== undefined,
      capabilities: registered.capabilities,
    }))
    return this.#choosable
  }

  /**
   * What a recipient is given of a message whose sender names `version`.
   *
   * @param version of this family
   * @param recipient_range what the recipient takes; undefined where it does not say
   */
  delivery(version: ProtocolVersion, recipient_range: string | undefined): ChosenVersion | VersionRefusal {
    const choice = this.#deliveries.get(version)?.get(recipient_range)
    return choice ?? this.#findDelivery(version, recipient_range)
  }

  #findDelivery(version: ProtocolVersion, recipient_range: string | undefined) {
    const { choosable: versions, steps: adapted } = this
    const choice = versionToDeliver({ named: version.version, versions, recipient_range, adapted })
    remember(
      this.#deliveries.getOrInsertComputed(version, () => new Map()),
      recipient_range,
      choice,
    )
    return choice
  }

  /** The version of a send that names the protocol alone, and what its recipient is given. */
  choose(
    sender_range: string | undefined,
    recipient_range: string | undefined,
  ): ChosenVersion | VersionRefusal {
    const key = JSON.stringify([sender_range, recipient_range])
    let choice = this.#choices.get(key)
    if (!choice) {
      const { choosable: versions, steps: adapted } = this
      choice = versionToSend({ versions, sender_range, recipient_range, adapted })
      remember(this.#choices, key, choice)
    }
    return choice
  }
}

/**
 * Forgets all choices when there are too many: callers name ranges and versions, so there may be any number.
 */
function remember<K, V>(answers: Map<K, V>, key: K, answer: V): void {
  if (kept.count >= CHOICES_MAX) {
    for (const choices of kept.in) choices.clear()
    kept.in.clear()
    kept.count = 0
  }
  answers.set(key, answer)
  kept.in.add(answers)
  kept.count++
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('base64')
}

import type { Broker } from '../../broker/broker.ts'
import { type Loading, loadedText } from '../../core/loading.ts'
import type { Health } from '../../engine/values.ts'
import { jsonResponse } from '../gate.ts'

/** An engine that has not answered the probe within this time is not ready. */
const PROBE_MS_MAX = 2000

/** Says that the process answers; the engine is not asked. */
export function live(): Response {
  return answer('live')
}

/** Says how far a broker has come that is starting. */
export function notStarted({ loaded_bytes, total_bytes }: Readonly<Loading>): Response {
  const detail =
    loaded_bytes === undefined || total_bytes === undefined
      ? 'The broker is starting.'
      : `The broker is loading what it has stored: ${loadedText(loaded_bytes, total_bytes)}.`
  return jsonResponse(JSON.stringify({ status: 'starting', detail, loaded_bytes, total_bytes }), 503)
}

/** Whether messages can be stored and announced now. One probe at a time serves all callers. */
export class Readiness {
  #probe: Promise<Health> | undefined

  constructor(
    private readonly broker: Broker,
    private readonly report: (error: unknown) => void,
  ) {}

  async answer(): Promise<Response> {
    if (this.broker.stopping) return notReady('The broker is shutting down.')
    this.#probe ??= this.#run().finally(() => {
      this.#probe = undefined
    })
    const { ok, detail } = await this.#probe
    return ok ? answer('ready') : notReady(detail ?? 'A message could not be stored.')
  }

  async #run(): Promise<Health> {
    const { promise, resolve } = Promise.withResolvers<Health>()
    const timer = setTimeout(
      () => resolve({ ok: false, detail: `No message could be stored within ${PROBE_MS_MAX} ms.` }),
      PROBE_MS_MAX,
    )
    try {
      return await Promise.race([this.broker.engine.health(), promise])
    } catch (error) {
      this.report(error)
      return { ok: false, detail: 'The engine failed; the fault is in the log.' }
    } finally {
      clearTimeout(timer)
    }
  }
}

function notReady(detail: string): Response {
  return answer('not ready', detail)
}

function answer(status: 'live' | 'ready' | 'not ready', detail?: string): Response {
  return jsonResponse(JSON.stringify({ status, detail }), status === 'not ready' ? 503 : 200)
}

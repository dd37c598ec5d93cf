import type { RegisteredProtocol } from '../../core/protocol/definition.ts'

/** Examples longer than this are shown nowhere. */
const EXAMPLE_CHARS_MAX = 4096

/**
 * The payload that the author put first, for those who ask what a protocol is; else what the broker has made.
 */
export function firstExample({
  metadata,
  example,
}: RegisteredProtocol): { readonly payload: unknown } | undefined {
  return metadata.examples?.[0] ?? example
}

/**
 * A payload that fits, to show to a sender whose payload does not: of the author's examples the one that
 * shares the most texts at the top with that payload, such as its `kind`; of equals the shortest. Without
 * any, what the broker has made itself.
 */
export function fittingExample(
  { metadata, example }: RegisteredProtocol,
  payload?: unknown,
): { readonly payload: unknown } | undefined {
  let best: { payload: unknown; shared: number; chars: number } | undefined
  for (const { payload: candidate } of metadata.examples ?? []) {
    const chars = JSON.stringify(candidate).length
    if (chars > EXAMPLE_CHARS_MAX) continue
    const shared = sharedTexts(candidate, payload)
    if (!best || shared > best.shared || (shared === best.shared && chars < best.chars))
      best = { payload: candidate, shared, chars }
  }
  return best ?? example
}

function sharedTexts(a: unknown, b: unknown): number {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return 0
  let shared = 0
  for (const [name, value] of Object.entries(a))
    if (typeof value === 'string' && Object.hasOwn(b, name) && (b as Record<string, unknown>)[name] === value)
      shared++
  return shared
}

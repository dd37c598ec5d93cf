/** A part of a pointer that stands for each item of an array; `*` in its text. */
export const EACH = Symbol('*')
export type Part = string | typeof EACH

const ESCAPES: Readonly<Record<string, string>> = { '~0': '~', '~1': '/', '~2': '*' }

/**
 * The parts of a pointer: names and indexes as text, {@link EACH} for `*`; none for the whole payload.
 *
 * @param pointer as in RFC 6901, and `~2` for a `*` that is part of a name
 */
export function partsOf(pointer: string): readonly Part[] {
  if (pointer === '') return []
  const parts: Part[] = pointer.slice(1).split('/')
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string
    if (part === '*') parts[i] = EACH
    else if (part.includes('~')) parts[i] = part.replace(/~[012]/g, (mark) => ESCAPES[mark]!)
  }
  return parts
}

/** A JSON pointer (RFC 6901) of the parts, with the given indexes for its first `*`; the others stay. */
export function pointerOf(parts: readonly Part[], indexes: readonly number[] = []): string {
  let text = ''
  let stars = 0
  for (const part of parts) text += `/${part === EACH ? (indexes[stars++] ?? '*') : escaped(part)}`
  return text
}

/** A name as a part of a JSON pointer. */
export function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** A name as it stands before the `:` of a member. */
export function nameText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
}

/** A text as a literal, with what cannot be seen written out. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (unseen) =>
    unseen.replaceAll(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
}

/** Control characters, and those that have the text after them shown in another order. */
const UNSEEN = /[^\P{Cc}\t]|[\u202a-\u202e\u2066-\u2069]/gu

/** A text as a comment before a declaration; empty for anything but a text. */
export function comment(text: unknown, indent: string): string {
  if (typeof text !== 'string') return ''
  const lines = text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => line.replaceAll(UNSEEN, '').replaceAll('*/', '*\\/').trimEnd())
  while (lines[0] === '') lines.shift()
  while (lines.at(-1) === '') lines.pop()
  const [only] = lines
  if (only === undefined) return ''
  // The compiler takes directives such as `@ts-expect-error` from the last line of a comment.
  if (lines.length === 1 && !only.includes('@')) return `${indent}/** ${only.trim()} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} *${line && ' '}${line}\n`).join('')}${indent} */\n`
}

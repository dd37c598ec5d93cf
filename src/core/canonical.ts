/** A value as JSON with the members of objects in order of name: equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, sorted)
}

function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

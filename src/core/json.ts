/** Whether a parsed JSON value is nested deeper than `depth_max` arrays and objects. */
export function jsonDepthExceeds(value: unknown, depth_max: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth_max === 0) return true
  if (Array.isArray(value)) {
    for (const item of value) if (jsonDepthExceeds(item, depth_max - 1)) return true
    return false
  }
  for (const key in value)
    if (jsonDepthExceeds((value as Record<string, unknown>)[key], depth_max - 1)) return true
  return false
}

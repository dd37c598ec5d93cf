import { canonicalJson } from '../../canonical.ts'

export function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  return canonicalJson(a) === canonicalJson(b)
}

/** Members of a JSON object, none for anything else. */
export function membersOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

/** The strings in an array, none for anything else. */
export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** A number, or what stands for none. */
export function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

/** Sets a member of an object as its own, whatever its name is. */
export function setMember(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

/** The length of a text in code points, as JSON Schema counts it. */
export function lengthOf(text: string): number {
  let length = text.length
  for (let at = 0; at < text.length - 1; at++) {
    const unit = text.charCodeAt(at)
    const next = text.charCodeAt(at + 1)
    if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
      length--
      at++
    }
  }
  return length
}

/**
 * Whether a number is a multiple of another in decimal, so that 0.3 is one of 0.1. False for what a double
 * cannot say exactly.
 */
export function isMultiple(number: number, of: number): boolean {
  if (of === 0 || !Number.isFinite(number) || !Number.isFinite(of)) return false
  if (Number.isSafeInteger(number) && Number.isSafeInteger(of)) return number % of === 0
  const [digits, exponent] = decimal(number)
  const [digits_of, exponent_of] = decimal(of)
  const shift = Math.min(exponent, exponent_of)
  if (Math.max(exponent, exponent_of) - shift > 400) return false
  return (digits * 10n ** BigInt(exponent - shift)) % (digits_of * 10n ** BigInt(exponent_of - shift)) === 0n
}

/** A double as its shortest decimal: digits times ten to the exponent. */
function decimal(number: number): [bigint, number] {
  const [mantissa = '0', exponent = '0'] = String(number).split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  return [BigInt(whole + fraction), Number(exponent) - fraction.length]
}

/** A name for one history of a mailbox: 10 characters of base 36 from the CSPRNG. */
export function newEpoch(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
}

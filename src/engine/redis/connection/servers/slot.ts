/** A cluster shares its keys out by slot. */
export const SLOTS = 16_384

/** The CRC-16 that Redis uses (XMODEM: polynomial 0x1021, begins at 0), by the upper byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

/** The slot of a key: of what its first pair of braces holds, if that is not empty, else of all of it. */
export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  let crc = 0
  for (const byte of Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key))
    crc = ((crc << 8) & 0xff00) ^ TABLE[(crc >> 8) ^ byte]!
  return crc % SLOTS
}

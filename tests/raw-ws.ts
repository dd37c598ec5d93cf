import { connect, type Socket } from 'node:net'
import { until } from './harness.ts'

/**
 * A WebSocket peer made of a TCP socket, for what a well-behaved client does not do: stop reading, send half a frame,
 * leave pings unanswered.
 */
export class RawWs {
  #received = Buffer.alloc(0)
  ended = false

  private constructor(readonly tcp: Socket) {
    tcp.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data])
    })
    tcp.on('close', () => {
      this.ended = true
    })
    tcp.on('error', () => {})
  }

  static async connect(url: string): Promise<RawWs> {
    const { hostname, port, host } = new URL(url)
    const tcp = connect(Number(port), hostname)
    const raw = new RawWs(tcp)
    tcp.write(
      `GET /v1/ws HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await until('the upgrade', () => {
      const end = raw.#received.indexOf('\r\n\r\n')
      if (end === -1) return undefined
      raw.#received = raw.#received.subarray(end + 4)
      return true
    })
    return raw
  }

  /** Sends a text frame, masked with zeros. */
  send(value: unknown): void {
    this.tcp.write(textFrame(typeof value === 'string' ? value : JSON.stringify(value)))
  }

  /** Sends a pong that nobody asked for. */
  pong(): void {
    this.tcp.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
  }

  /** Stops taking anything from the socket. */
  pause(): void {
    this.tcp.pause()
  }

  resume(): void {
    this.tcp.resume()
  }

  /** The text frames so far, and the close code if one has come. Reads frames off what has arrived. */
  frames(): { texts: string[]; close_code: number | undefined } {
    const texts: string[] = []
    let close_code: number | undefined
    let at = 0
    const bytes = this.#received
    while (at + 2 <= bytes.length) {
      const opcode = bytes[at]! & 0x0f
      let length = bytes[at + 1]! & 0x7f
      let start = at + 2
      if (length === 126) {
        if (start + 2 > bytes.length) break
        length = bytes.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        if (start + 8 > bytes.length) break
        length = Number(bytes.readBigUInt64BE(start))
        start += 8
      }
      if (start + length > bytes.length) break
      if (opcode === 1) texts.push(bytes.toString('utf8', start, start + length))
      if (opcode === 8) close_code = bytes.readUInt16BE(start)
      at = start + length
    }
    return { texts, close_code }
  }
}

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const length = payload.length
  const head =
    length < 126
      ? Buffer.from([0x81, 0x80 | length])
      : length < 65_536
        ? Buffer.from([0x81, 0x80 | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([0x81, 0x80 | 127]), bigEndian64(length)])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

function bigEndian64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

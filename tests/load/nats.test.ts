import { expect, test } from 'bun:test'
import { readOperations } from '../../load/peers/nats.ts'

test('operations of the NATS protocol are read whole, however they are cut', () => {
  const text = 'PING\r\nMSG to.sink 1 $JS.ACK.a.b 7\r\n{"n":1}\r\nMSG _INBOX.source.12 1 2\r\n{}\r\nPONG\r\n'
  for (let cut = 0; cut <= text.length; cut++) {
    const seen: string[] = []
    const handlers = {
      message: (payload: string, head: string) => void seen.push(`${head}: ${payload}`),
      ping: () => void seen.push('ping'),
      pong: () => void seen.push('pong'),
    }
    const rest = readOperations(text.slice(0, cut), handlers)
    expect(readOperations(rest + text.slice(cut), handlers)).toBe('')
    expect(seen).toEqual([
      'ping',
      'MSG to.sink 1 $JS.ACK.a.b 7: {"n":1}',
      'MSG _INBOX.source.12 1 2: {}',
      'pong',
    ])
  }
})

import { expect, test } from 'bun:test'
import type { Connection } from '../../src/broker/connection.ts'
import { StorageFailed } from '../../src/core/errors.ts'
import { startBroker } from '../harness.ts'
import { newIdentity } from '../simulation/identity.ts'

test('an arrival that cannot be noted is reported, and the door hears nothing of it', async () => {
  let fails = false
  await using app = await startBroker({}, (engine) => {
    const settle = engine.settle.bind(engine)
    engine.settle = (...args) => {
      if (fails) throw new StorageFailed('the disk is full')
      return settle(...args)
    }
    return engine
  })
  const { broker } = app
  const identity = newIdentity()
  const { session } = await broker.checkin(identity, 'reader', {
    resume: undefined,
    join: undefined,
    name: undefined,
    capabilities: undefined,
  })
  identity.session = broker.sessions.handle(session)
  const probed = Promise.withResolvers<void>()
  const connection: Connection = {
    open: true,
    message() {},
    notify() {},
    flush: () => true,
    close() {},
    probe: () => probed.resolve(),
  }
  await broker.subscribe(identity, connection, undefined, undefined, {
    ack: 'auto',
    receipts: false,
    sessions: false,
  })
  await broker.append('default', broker.createMessage({ payload: 'x' }, 'a', 'reader'), 'reader', undefined)
  await probed.promise
  fails = true
  expect(() => broker.hub.confirmed(connection)).not.toThrow()
  fails = false
  broker.hub.leave(connection)
})

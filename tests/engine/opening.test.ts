import { expect, test } from 'bun:test'
import { Rig } from '../contracts/rig.ts'
import { makeMemoryEngine } from './make.ts'

test('a subscription of a session that has ended makes no address', async () => {
  await using rig = await Rig.start(makeMemoryEngine)
  expect(await rig.engine.open(rig.at('r'), undefined, 'auto', 'a session of before')).toBe('closed')
  expect(await rig.clientIds()).toEqual([])
})

import { expect, test } from 'bun:test'
import { Family, ProtocolVersion } from '../../../src/broker/protocols/family.ts'
import type { RegisteredProtocol } from '../../../src/core/protocol/definition.ts'
import { CHAT } from '../../../src/core/protocol/ready/chat.ts'

function versionOf(version: string, more: Partial<RegisteredProtocol> = {}): ProtocolVersion {
  return new ProtocolVersion({ ...CHAT, version, registered_ms: 0, ...more }, 'p', 1, 0)
}

function familyOf(...versions: readonly ProtocolVersion[]): Family {
  const family = new Family('chat')
  for (const version of versions) family.put(version)
  return family
}

test('a version is found again, and what replaced it in its place', () => {
  const [one, two] = [versionOf('1.0.0'), versionOf('2.0.0')]
  const family = familyOf(one, two)
  for (const version of [one, one, two, one]) expect(family.get(version.version)).toBe(version)
  expect(family.get('3.0.0')).toBeUndefined()
  const deprecated = versionOf('1.0.0', { deprecated: { message: 'old' } })
  family.put(deprecated)
  expect(family.get('1.0.0')).toBe(deprecated)
})

test('what a recipient is given depends on its range and the version, whatever was asked before', () => {
  const [one, two] = [versionOf('1.0.0'), versionOf('2.0.0')]
  const family = familyOf(one, two)
  for (let times = 0; times < 2; times++) {
    for (const version of [one, two]) {
      const same = { send: version.version, deliver: version.version }
      for (const range of [undefined, '*']) expect(family.delivery(version, range)).toEqual(same)
    }
    expect(family.delivery(two, '^1.0.0')).toMatchObject({ reason: 'no_common_version', who: 'sender' })
  }
})

test('an adapter that comes later leads where nothing did', () => {
  const one = versionOf('1.0.0')
  const family = familyOf(one)
  expect(family.delivery(one, '^2.0.0')).toMatchObject({ reason: 'no_common_version' })
  family.put(versionOf('2.0.0', { adapters: [{ from: '1.0.0', up: [], down: [] }] }))
  expect(family.delivery(one, '^2.0.0')).toEqual({ send: '1.0.0', deliver: '2.0.0', steps: 1 })
})

test('choices are kept for a while, and forgotten when those of all protocols are too many', () => {
  const version = versionOf('1.0.0')
  const family = familyOf(version)
  const [delivery, choice] = [family.delivery(version, '1.x'), family.choose('1.x', '1.x')]
  expect(family.delivery(version, '1.x')).toBe(delivery)
  expect(family.choose('1.x', '1.x')).toBe(choice)
  for (let other = 0; other < 25; other++) {
    const version = versionOf('1.0.0')
    const family = familyOf(version)
    for (let n = 0; n < 800; n++) family.delivery(version, `>=0.${n}.0`)
  }
  const [again, chosen] = [family.delivery(version, '1.x'), family.choose('1.x', '1.x')]
  expect([again, chosen]).toEqual([delivery, choice])
  expect(again).not.toBe(delivery)
  expect(chosen).not.toBe(choice)
})

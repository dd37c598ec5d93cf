import { describe } from 'bun:test'
import { bounceContract } from './engine-bounces.ts'
import { changeContract } from './engine-changes.ts'
import { clientContract } from './engine-clients.ts'
import { deadLetterContract } from './engine-dead-letters.ts'
import { holderContract } from './engine-holders.ts'
import { leaseContract } from './engine-leases.ts'
import { pageContract } from './engine-pages.ts'
import { positionContract } from './engine-positions.ts'
import { projectContract } from './engine-projects.ts'
import { readingContract } from './engine-reading.ts'
import { engineRecordsContract } from './engine-records.ts'
import { rewriteContract } from './engine-rewrite.ts'
import { sendingContract } from './engine-sending.ts'
import { sessionContract } from './engine-sessions.ts'
import { subscribingContract } from './engine-subscribing.ts'
import { takeoverContract } from './engine-takeover.ts'
import { timeContract } from './engine-time.ts'
import { variantContract } from './engine-variants.ts'
import type { MakeEngine } from './rig.ts'

/**
 * What every engine promises, tested through its interface alone. Answers may be promises, and events may
 * come after them.
 *
 * @param make gives an engine on an empty store at each call; the tests stop it
 */
export function engineContract(name: string, make: MakeEngine): void {
  describe(`the ${name} engine`, () => {
    describe('sending', () => sendingContract(make))
    describe('sending to many', () => variantContract(make))
    describe('reading', () => readingContract(make))
    describe('leases', () => leaseContract(make))
    describe('subscribing', () => subscribingContract(make))
    describe('positions', () => positionContract(make))
    describe('calls that name a session', () => holderContract(make))
    describe('takeovers', () => takeoverContract(make))
    describe('rewriting', () => rewriteContract(make))
    describe('dead letters', () => deadLetterContract(make))
    describe('bounces', () => bounceContract(make))
    describe('sessions', () => sessionContract(make))
    describe('clients', () => clientContract(make))
    describe('lists', () => pageContract(make))
    describe('projects', () => projectContract(make))
    describe('changes and signs of life', () => changeContract(make))
    describe('time', () => timeContract(make))
  })
  engineRecordsContract(name, make)
}

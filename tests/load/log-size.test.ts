import { expect, test } from 'bun:test'
import { startKeeping } from '../../load/keeping.ts'
import { LogSize, logBudget } from '../../load/log-size.ts'
import { budgetText, isMet } from '../../load/scenario.ts'

const MIB = 1024 * 1024
const log = (bytes: number, live_bytes: number) => ({ bytes: bytes * MIB, live_bytes: live_bytes * MIB })

test('a log may be twice what lives in it and 64 MiB, in each sample', () => {
  expect(logBudget([log(64, 0), log(84, 10)])).toMatchObject({ value: 100, limit: 100 })
  expect(isMet(logBudget([log(64, 0), log(84, 10)]))).toBe(true)
  const beyond = logBudget([log(63, 0), log(85, 10), log(20, 10)])
  expect(isMet(beyond)).toBe(false)
  expect(budgetText(beyond)).toBe('log, of 2 × live + 64 MiB 101 ≤ 100 %')
})

test('a log that nobody saw, or of which a sample is missing, is not within its bound', () => {
  expect(budgetText(logBudget([]))).toEndWith('– ≤ 100 %: nobody looked')
  expect(isMet(logBudget([log(1, 1)], 'the status could not be read'))).toBe(false)
})

test('of a broker that has no log, that is said', async () => {
  await using server = (await startKeeping('memory'))!
  using size = LogSize.watch(server)
  expect(budgetText(await size.budget())).toEndWith('– ≤ 100 %: the status has no journal')
}, 20_000)

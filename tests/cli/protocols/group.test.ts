import { expect, test } from 'bun:test'
import { TYPED, type } from '../harness.ts'

const PARTS = ['list', 'show', 'diff', 'check', 'register', 'types', 'migrate']

test('alone it says what there is', async () => {
  const { code, out, err } = await type(['protocols'])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toBe(
    'error: protocols needs to know what to do.\n' +
      `  There are ${PARTS.join(', ')}; see "${TYPED} protocols --help".`,
  )
  const help = (await type(['protocols', '--help'])).out
  for (const part of PARTS) expect(help).toMatch(new RegExp(`^  protocols ${part} `, 'm'))
})

test.each(PARTS)('%s has help of its own', async (part) => {
  const { code, out } = await type(['protocols', part, '--help'])
  expect(code).toBe(0)
  expect(out).toContain(`Usage\n  ${TYPED} protocols ${part}`)
  expect(out.indexOf('Examples')).toBeLessThan(out.indexOf('Flags'))
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  expect((await type(['help', 'protocols', part])).out).toBe(out)
})

test.each([
  [['protocols', 'lst'], 'There is no "protocols lst".\n  Did you mean "protocols list"?'],
  [['protocols', 'xyzzy'], `There are ${PARTS.join(', ')}.`],
  [['help', 'protocols', 'chek'], 'Did you mean "protocols check"?'],
  [['protocols', 'check'], 'protocols check needs more than that.'],
  [['protocols', 'list', 'a', 'b'], 'protocols list does not understand "b".'],
  [
    ['protocols', 'migrate', 'chat'],
    'migrate needs the version that messages become.\n  Give it as --to VERSION.',
  ],
  [['protocols', 'register', 'a.json', '--dryrun'], 'Did you mean --dry-run?'],
])('a wrong line: %j', async (args, words) => {
  const { code, out, err } = await type(args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(words)
})

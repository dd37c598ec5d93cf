import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import manifest from '../../package.json' with { type: 'json' }
import { run } from '../cli/harness.ts'

test('a compiled program finds its validation worker, which checks recursive schemas and can be killed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'validation-'))
  const program = join(dir, 'program')
  const [, words] = manifest.scripts.build.split('bun build ')
  const own = words!
    .replace('dist/mcp-broker', program)
    .replace('src/main.ts', 'tests/binary/validation-program.ts')
  try {
    const root = new URL('../..', import.meta.url).pathname
    const built = await run(['build', ...own.split(' ')], { cwd: root }, [process.execPath])
    expect(built).toMatchObject({ code: 0 })
    const { out, err, code } = await run([], { cwd: dir }, [program])
    expect({ err, code }).toEqual({ err: '', code: 0 })
    expect(JSON.parse(out)).toEqual([
      true,
      { errors: expect.any(Array), total: 1 },
      'validation_timeout',
      true,
    ])
  } finally {
    rmSync(dir, { recursive: true })
  }
}, 120_000)

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of definitions, which goes with `using`. */
export class Definitions implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'protocols-'))

  at(name: string): string {
    return join(this.path, name)
  }

  async write(name: string, held: unknown): Promise<string> {
    await Bun.write(this.at(name), typeof held === 'string' ? held : JSON.stringify(held))
    return this.at(name)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

/** A definition of `note`, whose payload has these members, all of them texts. */
export function note(version: string, members: readonly string[], more: object = {}) {
  const properties = Object.fromEntries(members.map((name) => [name.replace('!', ''), { type: 'string' }]))
  const required = members.filter((name) => name.endsWith('!')).map((name) => name.replace('!', ''))
  return { name: 'note', version, schema: { type: 'object', required, properties }, ...more }
}

/** Examples as a definition has them. */
export function shows(...payloads: readonly unknown[]) {
  return { metadata: { examples: payloads.map((payload, n) => ({ name: `example ${n + 1}`, payload })) } }
}

import type { Engine } from '../../src/engine/engine.ts'
import type { Random } from './random.ts'

/** Gives another payload to some of what a mailbox holds, as a migration does. */
export async function rewriteSome(
  engine: Engine,
  client_id: string,
  payload: string,
  random: Random,
): Promise<void> {
  const address = { project: 'default', client_id }
  const { epoch, deliveries } = await engine.history(address, {}, 100, 1_000_000)
  const some = deliveries.filter(() => random.chance(0.5))
  const messages = some.map(({ offset, message: { json } }) => {
    return { offset, before: json, after: JSON.stringify({ ...JSON.parse(json), payload }) }
  })
  await engine.rewrite(address, { epoch, messages })
}

import { expect, test } from 'bun:test'
import { ENGINES } from '../../load/micro/engines.ts'
import { path } from '../../load/micro/path.ts'
import { check, compile, negotiation, registration, roundTrip } from '../../load/micro/protocols.ts'

const MICROS = [
  path(10, true),
  path(1, false, ENGINES.staged),
  check(true),
  check(false),
  compile,
  registration,
  negotiation,
  roundTrip,
]

test.each(MICROS.map((micro) => [micro.name, micro] as const))(
  '%s does its round again and again',
  async (_, micro) => {
    const round = await micro.prepare()
    // A round throws when something is refused, or not done.
    for (let rounds = 0; rounds < 3; rounds++) expect(await round()).toBeUndefined()
  },
)

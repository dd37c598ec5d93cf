import { Broker, type BrokerOptions } from '../../src/broker/broker.ts'
import { DEFAULT_PROTOCOL_RULES } from '../../src/core/protocol/rules.ts'
import { SCHEMA_BOUNDS } from '../../src/core/protocol/schema/bounds.ts'

/** How long a connection may take nothing. */
const STALLED_MS_MAX = 5_000

/** A broker as a world has it. */
export function newBroker(
  options: Pick<BrokerOptions, 'engine' | 'limits' | 'now' | 'report'> &
    Partial<Pick<BrokerOptions, 'timer' | 'newId'>>,
): Broker {
  return new Broker({
    newId: () => Bun.randomUUIDv7(),
    ...options,
    waiting_max: 10,
    stalled_ms_max: STALLED_MS_MAX,
    protocols: DEFAULT_PROTOCOL_RULES,
    schema_bounds: SCHEMA_BOUNDS,
  })
}

import { Draft } from './draft.ts'
import { AdapterFailure, Trouble } from './failure.ts'
import { byDefault, join, map, rename, split, unwrap, wrap } from './further.ts'
import type { Operation, OperationName, OperationOf } from './operations.ts'
import { add, copy, move, remove, replace, test } from './standard.ts'

/**
 * A payload with the operations applied one after the other. The payload itself is never changed, and the
 * result shares nothing with it or with the operations.
 *
 * @param payload JSON, at most 64 deep
 * @param operations as `checkAdapters` takes them
 * @throws AdapterFailure when an operation fails, or when the payload or the operations are beyond what is
 *   allowed: 20,000 values in the payload, as many looked at or made, 256 KiB written, 256 KiB of result
 */
export function applyOperations(payload: unknown, operations: readonly Operation[]): unknown {
  const draft = draftOf(payload)
  applyTo(draft, operations)
  return resultOf(draft)
}

/** A copy of a payload to work on. Throws {@link AdapterFailure} when it is too large or too deep. */
export function draftOf(payload: unknown, step?: string): Draft {
  try {
    return new Draft(payload)
  } catch (thrown) {
    throw asFailure(thrown, '', undefined, undefined, step)
  }
}

/** Applies one list of operations, with a budget of its own. Throws {@link AdapterFailure}. */
export function applyTo(draft: Draft, operations: readonly Operation[], step?: string): void {
  draft.grant()
  for (let op = 0; op < operations.length; op++) {
    const operation = operations[op]!
    try {
      carryOut(draft, operation)
    } catch (thrown) {
      throw asFailure(thrown, operation.path, op, operation.op, step)
    }
  }
}

/** What came of it. Throws {@link AdapterFailure} when it is too large or too deep. */
export function resultOf(draft: Draft, step?: string): unknown {
  try {
    draft.measure()
  } catch (thrown) {
    throw asFailure(thrown, '', undefined, undefined, step)
  }
  return draft.payload
}

function asFailure(
  thrown: unknown,
  path: string,
  op: number | undefined,
  op_name: OperationName | undefined,
  step: string | undefined,
): unknown {
  if (!(thrown instanceof Trouble)) return thrown
  return new AdapterFailure(thrown.sentence, { op, op_name, path: thrown.path ?? path, step })
}

const CARRY_OUT: {
  readonly [Name in OperationName]: (draft: Draft, operation: OperationOf<Name>) => void
} = { add, test, replace, remove, move, copy, rename, default: byDefault, map, split, join, wrap, unwrap }

function carryOut(draft: Draft, operation: Operation): void {
  // TypeScript does not see that an operation and its name go together.
  const carry = CARRY_OUT[operation.op] as (draft: Draft, operation: Operation) => void
  carry(draft, operation)
}

import type { OperationName } from './operations.ts'

/** Where and why a payload could not be adapted; the caller words it as the error `adapter_failed`. */
export interface FailurePlace {
  /** Index of the operation in its list; absent where the payload as a whole is at fault. */
  readonly op?: number | undefined
  readonly op_name?: OperationName | undefined
  /** JSON pointer into the payload at that operation; a `*` in it stands for no single index. */
  readonly path: string
  /** The step of a chain, such as `1.2.0→2.0.0`; absent outside of one. */
  readonly step?: string | undefined
}

/** An adapter that could not be carried out. Nothing in it repeats a value of the payload. */
export class AdapterFailure extends Error implements FailurePlace {
  readonly op: number | undefined
  readonly op_name: OperationName | undefined
  readonly path: string
  readonly step: string | undefined

  /** @param sentence one sentence for people: what is wrong at `path` */
  constructor(
    readonly sentence: string,
    { op, op_name, path, step }: FailurePlace,
  ) {
    super(sentence)
    this.name = 'AdapterFailure'
    this.op = op
    this.op_name = op_name
    this.path = path
    this.step = step
  }
}

/** What stops one operation; {@link AdapterFailure} adds which one it was. */
export class Trouble extends Error {
  /** @param path where it is, if not where the operation points to */
  constructor(
    readonly sentence: string,
    readonly path?: string,
  ) {
    super(sentence)
  }
}

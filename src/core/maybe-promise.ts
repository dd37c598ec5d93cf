/** A value at once, or a promise. Callers await only promises, so the memory engine pays for none. */
export type MaybePromise<T> = T | Promise<T>

/** Runs `next` on a value: now, or when the promise resolves. */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

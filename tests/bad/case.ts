/** A call, the class of its error, and parts of its message: the place first, then the advice. */
export type Case = readonly [does: () => unknown, error: new (...args: never[]) => Error, ...says: string[]];

// What no type checker would let pass is written as `any`.
// deno-lint-ignore no-explicit-any
export type Any = any;

/** A name of 10,000 characters. */
export const long = "x".repeat(10_000);

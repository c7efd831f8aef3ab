/** What is done, the class of its error, and what its message holds: the place first, then what is advised. */
export type Case = readonly [does: () => unknown, error: new (...args: never[]) => Error, ...says: string[]];

// What no type checker would let pass is written as `any`.
// deno-lint-ignore no-explicit-any
export type Any = any;

/** A name of 10,000 characters. */
export const long = "x".repeat(10_000);

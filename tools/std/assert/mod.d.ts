/** A class that can be tested with `instanceof`. */
export type AnyConstructor = abstract new (...args: never[]) => unknown;
/** The instance that a constructor constructs. */
export type Constructed<T extends AnyConstructor> = T extends abstract new (...args: never[]) => infer R ? R : never;
/** A class of errors. */
export type ErrorConstructorOf<E extends Error> = abstract new (...args: never[]) => E;
/** The values that `if` takes for false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;
/** The form in which a difference is written. */
export interface DifferenceOptions {
  /** Writes one of the two values. */
  formatter?: (value: unknown) => string;
}

/** Thrown by every assertion that does not hold. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** The expression is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;
/** The expression is falsy. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;

/** Deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string, options?: DifferenceOptions): void;
/** Not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
/** The same by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;
/** Not the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
/** Numbers within a tolerance, by default a ten-millionth of the expected one. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void;
/** Every property of the expected object, deeply. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;

/** actual > expected. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
/** actual >= expected. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
/** actual < expected. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;
/** actual <= expected. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** Neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
/** An instance of a class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is Constructed<T>;
/** No instance of a class. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  unexpectedType: abstract new (...args: never[]) => T,
  msg?: string,
): asserts actual is Exclude<A, T>;

/** Every expected element is among the actual ones. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void;
/** The text contains another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
/** The text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
/** The text does not match. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;

/** An error of a class, whose message contains or matches a text. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorConstructorOf<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;
/** The function throws; returns what was thrown. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** The function throws an error of a class, whose message contains a text; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorConstructorOf<E>,
  msgIncludes?: string,
  msg?: string,
): E;
/** The promise is rejected; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** The promise is rejected with an error of a class, whose message contains a text; resolves to the error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorConstructorOf<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;

/** Returns true if two values are deeply equal. */
export function equal(a: unknown, b: unknown): boolean;
/** Fails. */
export function fail(msg?: string): never;
/** Fails: this place is never reached. */
export function unreachable(msg?: string): never;
/** Fails: this is not written yet. */
export function unimplemented(msg?: string): never;

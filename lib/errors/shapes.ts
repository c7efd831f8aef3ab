/** A test of what something is. Together they hold the outline of data from elsewhere: unknown keys are let be. */
export type Test = (found: unknown) => boolean;

/** Returns true if something is a text. */
export const isText: Test = (found) => typeof found === "string";

/** Returns true if something is a number of any kind. */
export const isNumber: Test = (found) => typeof found === "number";

/** Returns a test of lists whose items all pass another. */
export function listOf(item: Test): Test {
  return (found) => Array.isArray(found) && found.every(item);
}

/** Returns a test that passes what is undefined, and what passes another. */
export function maybe(test: Test): Test {
  return (found) => found === undefined || test(found);
}

/** Returns a test of objects whose values under some keys pass tests. */
export function holding(keys: Readonly<Record<string, Test>>): Test {
  const tests = Object.entries(keys);
  return (found) => {
    if (typeof found !== "object" || found === null) return false;
    return tests.every(([key, test]) => test((found as Record<string, unknown>)[key]));
  };
}

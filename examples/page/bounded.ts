import { entriesOf, type Spec } from "@gatehouse/gatehouse";
import { modelOf } from "./language.ts";

/** A model that a page can train and draw, and its number of parameters. */
export interface Bounded {
  readonly spec: Spec;
  readonly parameters: number;
}

/** The most parameters, and the most signs of the model as JSON: a page draws and trains what has more too slowly. */
const [mostParameters, mostSigns] = [5_000_000, 50_000];

/**
 * The model that a table's code describes, if a page can train it.
 *
 * @throws {SyntaxError | TypeError | RangeError} as {@linkcode modelOf}, and if the model is too large.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const { parameters } = boundedModelOf("singleTask({ input: 4, expert: dense(3), tasks: { click: binary() } })");
 * assertEquals(parameters, 4 * 3 + 3 + 3 + 1);
 * ```
 */
export function boundedModelOf(code: string): Bounded {
  const spec = modelOf(code);
  checkAtMost("signs as JSON", JSON.stringify(spec).length, mostSigns);
  const parameters = entriesOf(spec).reduce((sum, { parameters }) => sum + parameters, 0);
  checkAtMost("parameters", parameters, mostParameters);
  return { spec, parameters };
}

function checkAtMost(what: string, found: number, most: number): void {
  if (found <= most) return;
  const [is, wanted] = [found, most].map((number) => number.toLocaleString("en"));
  throw new RangeError(`Cannot train model: it has ${is} ${what}, wanted at most ${wanted} in this page`);
}

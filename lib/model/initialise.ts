import { kindOf } from "../errors/kinds.ts";
import { type Distribution, draw } from "../data/draw.ts";
import { type Key, keyOf } from "../data/threefry.ts";
import type { InputSpec } from "../features/input.ts";
import { kinds } from "../features/table.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Parameter } from "../graph/layout.ts";
import { parametersOf } from "../trace/parameters.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Spec } from "../spec/spec.ts";
import type { Init } from "../ops/init.ts";

/**
 * Returns the initial values of a model's parameters, by path. Each depends on the seed and the path alone: adding a
 * task or an expert changes no other value, and every engine begins with the same numbers.
 *
 * Vectors of features depend on their word too, not on its place: a vocabulary in another order has the same vectors.
 *
 * There is one exception. Weights that reserved columns of the input are multiplied with, those of missing texts, of
 * unknown words and of indicators of missing numbers, begin at 0, so that what no row has trained adds nothing. `inits.values` stay as they are given.
 *
 * @returns Tensors of the parameters' shapes, such as `[width, units]`, by path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const one = initialise(define({ input: 3, tasks: { click: binary() } }), 7);
 * const two = initialise(define({ input: 3, tasks: { like: binary(), click: binary() } }), 7);
 * assertEquals(two["tasks/click/head/0/kernel"], one["tasks/click/head/0/kernel"]);
 * ```
 */
export function initialise(spec: Spec, seed: number): Record<string, Tensor> {
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot initialise parameters: seed must be a whole number, found ${kindOf(seed)}`);
  }
  return initialised(parametersOf(spec), seed, spec.input);
}

/** Returns the initial values of some parameters, by path. */
export function initialised(parameters: readonly Parameter[], seed: number, input: InputSpec): Record<string, Tensor> {
  return Object.fromEntries(parameters.map((parameter) => [parameter.path, initial(parameter, seed, input)]));
}

function initial(parameter: Parameter, seed: number, input: InputSpec): Tensor {
  const { shape, init, zeros = [] } = parameter;
  if (init.kind === "values") return { shape, data: Float32Array.from(init.values) };
  const data = new Float32Array(sizeOf(shape));
  const drawing = drawingOf(parameter, seed, input);
  if (drawing === undefined) data.fill(init.kind === "constant" ? init.value : 0);
  else drawAll(data, shape, drawing);
  const width = data.length / shape[0];
  for (const row of zeros) data.fill(0, row * width, (row + 1) * width);
  return { shape, data };
}

/** The way in which initial values are drawn: all by one key, in the order of the elements, or each row by its own. */
export interface Drawing {
  readonly distribution: Distribution;
  readonly key: Key;
  /** Returns the key of a row of a table, which depends on the row's text, not on its place; absent: all are by `key`. */
  readonly keyOf?: (row: number) => Key;
}

/** Returns the way in which the initial values of a parameter are drawn; undefined if they are given. */
export function drawingOf(
  { path, shape, init, feature }: Parameter,
  seed: number,
  input: InputSpec,
): Drawing | undefined {
  if (init.kind === "values" || init.kind === "constant") return undefined;
  const distribution = distributionOf(init, shape);
  const textOf = feature === undefined ? undefined : rowTexts(input, feature);
  if (textOf === undefined) return { distribution, key: keyOf(`${seed}:${path}`) };
  const key = keyOf(`${seed}:${path}:`);
  return { distribution, key, keyOf: (row) => keyOf(textOf(row), key) };
}

function drawAll(data: Float32Array, [rows]: readonly number[], { distribution, key, keyOf }: Drawing): void {
  if (keyOf === undefined) return draw({ data, from: 0, to: data.length }, key, distribution, new Int32Array(1024));
  const units = data.length / rows;
  const words = new Int32Array(units + units % 2);
  for (let row = 0; row < rows; row++) {
    draw({ data, from: row * units, to: (row + 1) * units }, keyOf(row), distribution, words);
  }
}

/** Returns the text of each row of a table of a feature's vectors: its word, or what stands for it. */
function rowTexts(input: InputSpec, name: string): ((row: number) => string) | undefined {
  const feature = "width" in input || !Object.hasOwn(input.features, name) ? undefined : input.features[name];
  if (feature === undefined) return undefined;
  const kind = kinds[feature.kind];
  const [code] = kind.inputs([[name, feature]]).flatMap(({ codes = [] }) => codes);
  const first = code?.missing === undefined ? 0 : 1;
  return (row) => kind.textOf?.(feature, row + first) ?? "";
}

/** Initial values that are drawn. */
type Drawn = Exclude<Init, { readonly kind: "values" | "constant" }>;

/** Returns the distribution of initial values. */
function distributionOf(init: Drawn, shape: readonly number[]): Distribution {
  const fanOut = shape.at(-1) ?? 1;
  const fanIn = shape.at(-2) ?? fanOut; // of each matrix of a stack
  switch (init.kind) {
    case "uniform":
      return { spread: "around 0", size: init.limit };
    case "normal":
      return { spread: "normal", size: init.deviation };
    case "glorotUniform":
      return { spread: "around 0", size: Math.sqrt(6 / (fanIn + fanOut)) };
    case "glorotNormal":
      return { spread: "normal", size: Math.sqrt(2 / (fanIn + fanOut)) };
    case "heUniform":
      return { spread: "around 0", size: Math.sqrt(6 / fanIn) };
    case "heNormal":
      return { spread: "normal", size: Math.sqrt(2 / fanIn) };
    case "lecunNormal":
      return { spread: "normal", size: Math.sqrt(1 / fanIn) };
  }
}

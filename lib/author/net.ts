import { apply, isValue } from "../ops/table.ts";
import type { Shape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Routing } from "../spec/routing.ts";
import type { Init } from "../ops/init.ts";
import { kindOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";

/** A pure function from a value `[batch, width]` to one `[batch, units]`. Experts, towers and their parts are nets. */
export type Net = (x: Value) => Value;

/**
 * A pure function from a value `[batch, width]` and a number of experts to weights `[batch, experts]`, alone or as part
 * of a {@linkcode Weighing}. Whatever it returns weighs the experts as it is: normalising is the gate's own business.
 * Over a single expert it is checked but left out, with its losses: that expert's weight is 1.
 */
export type Gate = (x: Value, experts: number) => Value | Weighing;

/** The weights of a gate, and what a gate may return beside them. */
export interface Weighing {
  /** The weights of the experts, `[batch, experts]`; a row does not use an expert whose weight is 0. */
  readonly weights: Value;
  /** The logits whose softmax the weights are, `[batch, experts]`. */
  readonly logits?: Value;
  /** The scores of all experts before any is left out, `[batch, experts]`. Default: the weights. */
  readonly scores?: Value;
  /** The probability that each expert would be used if noise were drawn anew, `[batch, experts]`. */
  readonly load?: Value;
  /**
   * Losses of the gate's own by name: `[batch]`, of which the mean over rows is taken, or `[]`. All are added to the
   * trained loss.
   */
  readonly losses?: Readonly<Record<string, Value>>;
  /** Parameters `[experts]` of the gate that no gradient reaches, and what is added to each after a step. */
  readonly moves?: readonly Move[];
}

/** A parameter of a gate that moves by a rule rather than a gradient. */
export interface Move {
  /** The parameter, `[experts]`. */
  readonly parameter: Value;
  /** The rule: what a training step adds to it, `[experts]`, from the routing of all gates over the same banks. */
  readonly by: (routing: Routing) => Value;
}

/** A function that claims a parameter of a net, by its name, shape and initial values, and returns its value. */
export type ParameterClaim = (name: string, shape: readonly number[], init: Init) => Value;

/**
 * A net that owns parameters. What is sharing and what is not follows from one rule: inside one table entry (an expert,
 * a gate, a tower) applying the same net twice uses the same parameters, and every entry has its own copy.
 *
 * @param body The function that the net computes; it claims parameters by `parameter(name, shape, init)`.
 * @throws {TypeError} while the net is applied, if the name, the shape or the init of a parameter is not valid.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, inits, layer } from "@gatehouse/gatehouse";
 * import { mul } from "@gatehouse/gatehouse/ops";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const scale = layer((parameter, x) => mul(x, parameter("scale", [3], inits.ones)));
 * const spec = define({ input: 3, tasks: { click: binary(scale) } });
 * assertEquals(parametersOf(spec)[0].path, "tasks/click/tower/0/scale");
 * ```
 */
export function layer(body: (parameter: ParameterClaim, x: Value) => Value): Net {
  if (typeof body !== "function") {
    throw misapplied(new TypeError(`Cannot apply layer: the body must be a function, found ${kindOf(body)}`));
  }
  const parameter = claims();
  return (x) => body(parameter, x);
}

/** Returns a function that claims parameters of one owner. */
export function claims(): ParameterClaim {
  const owner = {};
  return (name: unknown, shape, init) => {
    if (typeof name !== "string" || !/^[A-Za-z][\w-]{0,99}$/.test(name)) {
      const wanted = "a name of 1 to 100 letters, digits, _ and -, the first a letter";
      throw misapplied(new TypeError(`Cannot claim parameter: wanted ${wanted}, found ${kindOf(name)}`));
    }
    return apply("parameter", [], { name, shape, init: { ...init } }, owner);
  };
}

/**
 * Fresh random numbers for every run, an input of the graph rather than a side effect: uniform in [0, 1), or normal
 * with mean 0 and variance 1. Use it inside {@linkcode inTraining}, so that evaluation stays deterministic.
 *
 * @param shape The shape, such as `["batch", 64]`.
 * @returns A value of that shape.
 * @throws {TypeError} if the shape or the kind is not valid.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Net, noise } from "@gatehouse/gatehouse";
 * import { add, compute, input, inTraining } from "@gatehouse/gatehouse/ops";
 *
 * const noisy: Net = (x) => inTraining(add(x, noise(x.shape, "normal")), x);
 * const y = noisy(input("x", ["batch", 2]));
 * assertEquals(await compute(y, { inputs: { x: [[3, -2]] } }), [[3, -2]]);
 * assertEquals(await compute(y, { inputs: { x: [[3, -2]], noise: [[0.5, 1]] }, training: true }), [[3.5, -1]]);
 * ```
 */
export function noise(shape: Shape, kind: "uniform" | "normal" = "uniform"): Value {
  return apply("noise", [], { name: "noise", shape, kind }, {});
}

/**
 * Returns the last length of a value `[batch, width]`.
 *
 * @throws {TypeError} if `x` is not a value.
 * @throws {RangeError} if it has another shape.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, entriesOf, regression, widthOf } from "@gatehouse/gatehouse";
 * import { slice } from "@gatehouse/gatehouse/ops";
 *
 * const firstHalf = regression((x) => slice(x, 0, widthOf(x) / 2));
 * const tower = entriesOf(define({ input: 6, tasks: { y: firstHalf } })).find(({ path }) => path === "tasks/y/tower");
 * assertEquals(tower?.output, "[batch, 3]");
 * ```
 */
export function widthOf(x: Value): number {
  if (!isValue(x)) {
    throw misapplied(new TypeError(`Cannot apply net: a value [batch, width] is needed, found ${kindOf(x)}`));
  }
  const width = x.shape[1];
  if (x.shape.length !== 2 || typeof width !== "number") {
    throw misapplied(
      new RangeError(`Cannot apply net: a value [batch, width] is needed, found [${x.shape.join(", ")}]`),
    );
  }
  return width;
}

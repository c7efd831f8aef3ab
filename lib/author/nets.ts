import {
  add,
  div,
  greater,
  inTraining,
  matmul,
  mean,
  mul,
  neg,
  relu,
  sigmoid,
  sqrt,
  square,
  sub,
} from "../ops/functions.ts";
import { isValue } from "../ops/table.ts";
import { sameShape, shapeText } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Init } from "../ops/init.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { inits } from "./inits.ts";
import { layer, type Net, noise, widthOf } from "./net.ts";
import { misapplied } from "../errors/misapplied.ts";

/** The options of {@linkcode dense}. */
export interface DenseOptions {
  /** If true, a bias is added. Default true. */
  readonly bias?: boolean;
  /** The values that the kernel begins with. Default `inits.glorotUniform`. */
  readonly init?: Init;
  /** The values that the bias begins with. Default `inits.zeros`. */
  readonly biasInit?: Init;
}

/**
 * A fully connected layer, `y = x W + b`, without an activation.
 *
 * Parameters: `kernel [width, units]`, `bias [units]`. Output: `[batch, units]`.
 *
 * @param units The output width, a whole number of at least 1.
 * @throws {RangeError} if `units` is not a whole number of at least 1.
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, dense, inits, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const layer = dense(1, { init: inits.value(2), biasInit: inits.ones });
 * const spec = define({ input: 2, tasks: { y: regression(layer) } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[3, 4]]))).y, Float32Array.of(2 * 3 + 2 * 4 + 1));
 * model.dispose();
 * ```
 */
export function dense(units: number, options: DenseOptions = {}): Net {
  wholeNumber("dense", "units", units);
  const { bias = true, init = inits.glorotUniform, biasInit = inits.zeros } = optionsOf(
    "apply dense",
    options,
    denseOptions,
    ["bias"],
  );
  return layer((parameter, x) => {
    const product = matmul(x, parameter("kernel", [widthOf(x), units], init));
    return bias ? add(product, parameter("bias", [units], biasInit)) : product;
  });
}

const denseOptions = ["init", "biasInit"];

/**
 * Nets one after the other: `pipe(f, g)(x) = g(f(x))`. Without nets: the identity.
 *
 * @throws {TypeError} if one of them is not a function.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, pipe, reference, regression, relu, rows } from "@gatehouse/gatehouse";
 * import { neg } from "@gatehouse/gatehouse/ops";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: regression(pipe(neg, relu)) } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[3], [-2]]))).y, Float32Array.of(0, 2));
 * model.dispose();
 * ```
 */
export function pipe(...nets: readonly Net[]): Net {
  nets.forEach((net, at) => mustBeNet("pipe", `net ${at}`, net));
  return (x) => nets.reduce((value, net) => net(value), x);
}

/** The options of {@linkcode mlp}. */
export interface MlpOptions extends DenseOptions {
  /** The net after every layer. Default `relu`. */
  readonly activation?: Net;
  /** The share of units dropped after every activation in training, in [0, 1). Default 0. */
  readonly dropout?: number;
}

/**
 * Layers of the given units, each followed by an activation and, if asked for, dropout: `mlp([64, 32])`.
 *
 * @throws {TypeError} if `units` is not a list, or an option is unknown.
 * @throws {RangeError} if a number of units, or the rate of dropout, is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, entriesOf, mlp, regression } from "@gatehouse/gatehouse";
 *
 * const entries = entriesOf(define({ input: 4, tasks: { y: regression(mlp([3, 2])) } }));
 * const tower = entries.find(({ path }) => path === "tasks/y/tower");
 * assertEquals(tower?.function, "dense(3) > relu > dense(2) > relu");
 * assertEquals(tower?.parameters, (4 * 3 + 3) + (3 * 2 + 2));
 * ```
 */
export function mlp(units: readonly number[], options: MlpOptions = {}): Net {
  if (!Array.isArray(units)) {
    throw misapplied(new TypeError(`Cannot apply mlp: units must be a list, found ${kindOf(units)}`));
  }
  const { activation = relu, dropout: rate = 0, ...rest } = optionsOf("apply mlp", options, [
    ...denseOptions,
    "activation",
    "dropout",
  ], ["bias"]);
  return pipe(...units.flatMap((width) => [dense(width, rest), activation, dropout(rate)]));
}

/**
 * A residual net, `net(x) + x`: its input is carried around it (He et al. 2016).
 *
 * @returns A net from `[batch, width]` to `[batch, width]`.
 * @throws {TypeError} if the net is not a function.
 * @throws {RangeError} while defining, if the net changes the width.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { relu, residual } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(residual(relu)(constant([3, -2]))), [6, -2]);
 * ```
 */
export function residual(net: Net): Net {
  mustBeNet("residual", "the net", net);
  return (x) => {
    const y = net(x);
    if (!isValue(y)) {
      throw misapplied(new TypeError(`Cannot apply residual: the net must return a value, found ${kindOf(y)}`));
    }
    if (!sameShape(x.shape, y.shape)) {
      const found = `${shapeText(x.shape)} became ${shapeText(y.shape)}`;
      throw misapplied(new RangeError(`Cannot apply residual: the net must keep the shape, found ${found}`));
    }
    return add(y, x);
  };
}

/**
 * A net that drops each element with probability `rate` in training and scales the others by `1 / (1 - rate)` (inverted
 * dropout, Srivastava et al. 2014); the identity in evaluation.
 *
 * @param rate The probability, in [0, 1).
 * @returns A net from `[batch, width]` to `[batch, width]`.
 * @throws {RangeError} if `rate` is not in [0, 1).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dropout } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(dropout(0.5)(constant([3, -2]))), [3, -2]); // nothing is dropped in evaluation
 * ```
 */
export function dropout(rate: number): Net {
  if (!(Number.isFinite(rate) && rate >= 0 && rate < 1)) {
    throw misapplied(new RangeError(`Cannot apply dropout: rate must be in [0, 1), found ${kindOf(rate)}`));
  }
  if (rate === 0) return (x) => x;
  return (x) => {
    const kept = greater(noise(x.shape), rate);
    return inTraining(mul(x, mul(kept, 1 / (1 - rate))), x);
  };
}

/** The options of {@linkcode layerNorm}. */
export interface LayerNormOptions {
  /** The number that is added to the variance, above 0. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * A net that normalises each row to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016): a row's result
 * depends on that row alone.
 *
 * Parameters: `gain [width]`, `bias [width]`. Output: `[batch, width]`.
 *
 * @throws {TypeError} if an option is unknown.
 * @throws {RangeError} if `epsilon` is not above 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compile, define, layerNorm, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 2, tasks: { y: regression(layerNorm()) } });
 * const kernel = { shape: [2, 1], data: Float32Array.of(1, 0) }; // predicts the first element
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(rows([[1, 3], [70, 50]]));
 * assertAlmostEquals(y[0], -1, 1e-4);
 * assertAlmostEquals(y[1], 1, 1e-4);
 * model.dispose();
 * ```
 */
export function layerNorm(options: LayerNormOptions = {}): Net {
  const { epsilon = 1e-5 } = optionsOf("apply layerNorm", options, ["epsilon"]);
  if (!(Number.isFinite(epsilon) && epsilon > 0)) {
    throw misapplied(new RangeError(`Cannot apply layerNorm: epsilon must be above 0, found ${kindOf(epsilon)}`));
  }
  return layer((parameter, x) => {
    const width = widthOf(x);
    const centred = sub(x, mean(x, { keep: true }));
    const deviation = sqrt(add(mean(square(centred), { keep: true }), epsilon));
    return add(
      mul(div(centred, deviation), parameter("gain", [width], inits.ones)),
      parameter("bias", [width], inits.zeros),
    );
  });
}

/**
 * The leaky rectifier: `x` where it is above 0, else `0.01 x` (Maas et al. 2013).
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leakyRelu } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(leakyRelu(constant([3, -2]))), [3, -0.02]);
 * ```
 */
export function leakyRelu(x: Value): Value {
  return sub(relu(x), mul(relu(neg(x)), 0.01));
}

/**
 * The sigmoid approximation of GELU, `x * sigmoid(1.702 x)` (Hendrycks and Gimpel 2016, section 2), not the tanh one.
 *
 * @returns A value of the shape of `x`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gelu } from "@gatehouse/gatehouse";
 * import { compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertAlmostEquals(await compute(gelu(constant(0))) as number, 0);
 * assertAlmostEquals(await compute(gelu(constant(1))) as number, 1 / (1 + Math.exp(-1.702)), 1e-7);
 * ```
 */
export function gelu(x: Value): Value {
  return mul(x, sigmoid(mul(x, 1.702)));
}

/**
 * Makes sure that a number is whole and at least 1.
 *
 * @throws {RangeError} if it is not.
 */
export function wholeNumber(name: string, what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw misapplied(
      new RangeError(
        `Cannot apply ${name}: ${what} must be a whole number of at least 1, found ${kindOf(value)}`,
      ),
    );
  }
}

function mustBeNet(name: string, what: string, net: unknown): void {
  if (typeof net !== "function") {
    throw misapplied(new TypeError(`Cannot apply ${name}: ${what} must be a function, found ${kindOf(net)}`));
  }
}

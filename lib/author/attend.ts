import { kindOf, optionsOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import { quoted } from "../errors/quoted.ts";
import {
  add,
  broadcast,
  concat,
  matmul,
  mul,
  relu,
  reshape,
  slice,
  softmax as softmaxOf,
  sub,
  sum,
  transpose,
} from "../ops/functions.ts";
import { sameShape, shapeText } from "../ops/shape.ts";
import { isValue } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { inits } from "./inits.ts";
import { claims, type Net } from "./net.ts";
import { wholeNumber } from "./nets.ts";

/** A sequence of vectors, as {@linkcode embed} hands it to a pooling. */
export interface Sequence {
  /** The vectors of all places, `[batch, places, k]`; 0 where nothing is. */
  readonly vectors: Value;
  /** 1 for each place that is there, else 0, `[batch, places]`. */
  readonly there: Value;
  /** Returns the vector of another feature that the same net reads, `[batch, k]`. */
  readonly vectorOf: (feature: string) => Value;
}

/** A pure function from a sequence to one vector, `[batch, units]`. */
export type Pooling = (sequence: Sequence) => Value;

/** The options of {@linkcode attend}. */
export interface AttendOptions {
  /** The feature whose vector the places are compared with, such as the video that may be shown. */
  readonly query: string;
  /** The units of the hidden layers. Default `[36]`. */
  readonly hidden?: readonly number[];
  /** The activation after each hidden layer, number by number. Default `relu`. */
  readonly activation?: Net;
  /** True if the weights of the places that are there are normalised by a softmax. Default false. */
  readonly softmax?: boolean;
}

/**
 * The pooling of a sequence by target attention: `sum_j a(e_j, e_t) e_j` over the places that are there, where `a` is a
 * net of `[e_t, e_j, e_t - e_j, e_t * e_j]` with hidden layers and one linear unit, and `e_t` the vector of the query
 * (Zhou et al. 2018, eq. 3, the local activation unit of the Deep Interest Network). An empty sequence has the vector 0.
 *
 * The weights are not normalised, so that their sum says how much interest there is, as in the paper; DeepCTR and FuxiCTR
 * do the same unless they are asked for a softmax. The paper's unit reads both vectors and their outer product; this
 * concatenation of four is that of DeepCTR, FuxiCTR and torch-rechub. The paper has PReLU or Dice after a hidden layer;
 * DeepCTR has layers of 80 and 40 units with Dice, FuxiCTR one of 32 with a relu. Dice depends on the batch, and is not
 * offered.
 *
 * Parameters: of each layer `kernel` and `bias`, the first one's `[4 k, hidden]`, the last one's `[hidden, 1]`. Applied to
 * two sequences, it is one net with one set of parameters.
 *
 * @returns A pooling for {@linkcode embed}: `embed(16, { pool: { watched: attend({ query: "video" }) } })`.
 * @throws {RangeError} if a number of units is not a whole number of at least 1; while defining, if the query is not among
 * the features that the net reads, or its vectors have another size.
 * @throws {TypeError} if an option is unknown or of another type.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { attend, category, compile, define, embed, encode, fit, reference, regression, sequence } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const table = { video: ["a", "b"], watched: [["a", "b", "b"], []] };
 * const input = fit({ video: category(), watched: sequence({ like: "video" }) }, table);
 * const net = embed(1, { pool: { watched: attend({ query: "video", hidden: [1] }) } });
 * const spec = define({ input, tasks: { y: regression(net) } });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "tasks/y/tower/0/video": { shape: [3, 1], data: Float32Array.of(0, 2, 5) }, // unknown, "a", "b"
 *   "tasks/y/tower/1/kernel": { shape: [4, 1], data: Float32Array.of(0, 0, 0, 1) }, // e_t * e_j alone
 *   "tasks/y/tower/2/kernel": { shape: [1, 1], data: Float32Array.of(1) },
 *   "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(0, 1) }, // watched alone
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(encode(input, table));
 * assertAlmostEquals(y[0], (2 * 2) * 2 + 2 * (2 * 5) * 5, 1e-4);
 * assertAlmostEquals(y[1], 0, 1e-6); // nothing was watched
 * model.dispose();
 * ```
 */
export function attend(options: AttendOptions): Pooling {
  const action = "apply attend";
  const { query, hidden = [36], activation = relu, softmax = false } = optionsOf(action, options, [
    "query",
    "hidden",
    "activation",
  ], ["softmax"]);
  if (typeof query !== "string") {
    throw new TypeError(`Cannot ${action}: query must be the name of a feature, found ${kindOf(query)}`);
  }
  if (!Array.isArray(hidden) || hidden.length === 0) {
    throw new TypeError(`Cannot ${action}: hidden must be a list of at least one number, found ${kindOf(hidden)}`);
  }
  hidden.forEach((units, at) => wholeNumber("attend", `hidden[${at}]`, units));
  if (typeof activation !== "function") {
    throw new TypeError(`Cannot ${action}: activation must be a function, found ${kindOf(activation)}`);
  }
  const layers = [...hidden, 1].map((units) => ({ units, parameter: claims() }));
  return (sequence) => {
    const { vectors, there } = checked(sequence);
    const [, places, k] = vectors.shape as readonly [unknown, number, number];
    const target = sequence.vectorOf(query);
    if (!isValue(target) || !sameShape(target.shape, ["batch", k])) {
      const found = isValue(target) ? shapeText(target.shape) : kindOf(target);
      throw wrong(`the query ${quoted(query)} must have vectors [batch, ${k}] as the sequence has, found ${found}`);
    }
    const each = transpose(vectors, [1, 0, 2]); // [places, batch, k]
    const bias = ({ units, parameter }: Layer) => parameter("bias", [units], inits.zeros);
    const scores = layers.reduce((x: Value, layer, at) => {
      const linear = at === 0 ? compared(layer, each, target) : matmul(x, repeated(kernelOf(layer, x), places));
      const affine = add(linear, bias(layer));
      return at === layers.length - 1 ? affine : activated(activation, affine);
    }, each); // [places, batch, 1]
    const rows = transpose(reshape(scores, [places, "batch"])); // [batch, places]
    // A place that is not there is far below all others, and weighs 0 where there is none at all.
    const weights = softmax ? softmaxOf(add(rows, mul(sub(there, 1), 1e9))) : rows;
    return sum(mul(vectors, reshape(mul(weights, there), ["batch", places, 1])), { axes: [1] });
  };
}

/** A layer of the net that weighs. */
interface Layer {
  readonly units: number;
  readonly parameter: ReturnType<typeof claims>;
}

function kernelOf({ units, parameter }: Layer, x: Value): Value {
  return parameter("kernel", [x.shape[2] as number, units], inits.glorotUniform);
}

/**
 * The product of `[e_t, e_j, e_t - e_j, e_t * e_j]` with a kernel, `[places, batch, units]`: what of it e_t alone decides
 * is computed once a row, `e_t (A + C) + e_j (B - C) + (e_t * e_j) D` of the kernel's four parts.
 */
function compared({ units, parameter }: Layer, each: Value, target: Value): Value {
  const [places, , k] = each.shape as readonly [number, unknown, number];
  const kernel = parameter("kernel", [4 * k, units], inits.glorotUniform);
  const [a, b, c, d] = [0, 1, 2, 3].map((part) => slice(kernel, part * k, k, 0));
  const once = reshape(matmul(target, add(a, c)), [1, "batch", units]);
  const products = concat([each, mul(each, reshape(target, [1, "batch", k]))]); // [places, batch, 2 k]
  return add(matmul(products, repeated(concat([sub(b, c), d], 0), places)), once);
}

/** A matrix for each place, `[places, width, units]`. */
function repeated(matrix: Value, places: number): Value {
  const [width, units] = matrix.shape;
  return broadcast(reshape(matrix, [1, width, units]), [places, width, units]);
}

function activated(activation: Net, x: Value): Value {
  const y = activation(x);
  if (isValue(y) && sameShape(y.shape, x.shape)) return y;
  const found = isValue(y) ? shapeText(y.shape) : kindOf(y);
  throw wrong(`the activation must return ${shapeText(x.shape)}, number by number, found ${found}`);
}

function checked(sequence: Sequence): Sequence {
  const { vectors, there } = sequence;
  const fits = isValue(vectors) && isValue(there) && vectors.shape.length === 3 && vectors.shape[0] === "batch" &&
    sameShape(there.shape, vectors.shape.slice(0, 2));
  if (fits) return sequence;
  const found = [vectors, there].map((value) => isValue(value) ? shapeText(value.shape) : kindOf(value)).join(" and ");
  throw wrong(`vectors [batch, places, k] and there [batch, places] are needed, found ${found}`);
}

function wrong(what: string): RangeError {
  return misapplied(new RangeError(`Cannot apply attend: ${what}`));
}

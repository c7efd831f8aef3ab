import { kindOf, optionsOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import {
  add,
  concat,
  matmul,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  square,
  stopGradient,
  sub,
  sum,
} from "../ops/functions.ts";
import type { Init } from "../ops/init.ts";
import { shapeText } from "../ops/shape.ts";
import { isValue } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { inits } from "./inits.ts";
import { claims, layer, type Net, widthOf } from "./net.ts";
import { wholeNumber } from "./nets.ts";

/**
 * The interactions of a factorisation machine: the sum of the products of all pairs of vectors,
 * `sum_(i < j) e_i . e_j = 1/2 sum_k ((sum_f e_f)^2 - sum_f e_f^2)` (Rendle 2010).
 *
 * It is a term of the logit. The first-order terms and the bias of the whole machine are those of a head without a tower:
 * `binary(pipe(), { adds: { input: pipe(embed(16, { stacked: true }), fm) } })`; with a tower it is DeepFM (Guo et al.
 * 2017), but for the embedding, which is shared there: by a bank of one and streams. Some libraries return the sum over k
 * too, as here (DeepCTR, torch-rechub by default); the vector before it is what NFM pools (He and Chua 2017).
 *
 * @param x Vectors of fields, `[batch, fields, k]`, as `embed` yields them stacked.
 * @returns `[batch, 1]`.
 * @throws {RangeError} if the shape is another.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fm } from "@gatehouse/gatehouse";
 * import { compute, input } from "@gatehouse/gatehouse/ops";
 *
 * const x = input("x", ["batch", 3, 2]);
 * const [a, b, c] = [[1, 2], [3, 4], [5, 6]];
 * const pairs = (1 * 3 + 2 * 4) + (1 * 5 + 2 * 6) + (3 * 5 + 4 * 6);
 * assertEquals(await compute(fm(x), { inputs: { x: [[a, b, c]] } }), [[pairs]]);
 * ```
 */
export function fm(x: Value): Value {
  fieldsOf("fm", x);
  const squares = sub(square(sum(x, { axes: [1] })), sum(square(x), { axes: [1] })); // [batch, k]
  return mul(sum(squares, { axes: [1], keep: true }), 0.5);
}

/** The options of {@linkcode crossNet}. */
export interface CrossNetOptions {
  /** The rank of each matrix, `V U` of `[width, rank]` and `[rank, width]`. Default: full matrices. */
  readonly rank?: number;
  /** The values that the matrices begin with. Default `inits.glorotUniform`. */
  readonly init?: Init;
}

/**
 * The cross network of DCN-v2: layers `x_(l+1) = x_0 * (x_l W_l + b_l) + x_l` of products with the input, element by
 * element (Wang et al. 2021), or of low rank `x_0 * ((x_l V_l) U_l + b_l) + x_l`.
 *
 * The bias is inside of the product, as in the paper, in TensorFlow Recommenders and in FuxiCTR; torch-rechub 0.9 adds it
 * outside. The paper's mixture of low-rank experts is no net of its own: it is a bank of experts
 * `x_0 * (g(g(x_l V_i) C_i) U_i + b_i)` with a gate, beside a bank of one that passes x_l. Each has a bias of its own there,
 * which the experts of the paper share.
 *
 * Parameters: of each layer `kernel [width, width]`, of low rank `down [width, rank]` and `up [rank, width]`, and
 * `bias [width]`. Output: `[batch, width]`.
 *
 * @param layers The number of layers, at least 1: the interactions are of order `layers + 1` at most.
 * @throws {RangeError} if `layers` or the rank is not a whole number of at least 1.
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, crossNet, define, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 2, tasks: { y: regression(crossNet(1)) } });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "tasks/y/tower/0/kernel": { shape: [2, 2], data: Float32Array.of(1, 0, 1, 0) }, // [3, 4] becomes [7, 0]
 *   "tasks/y/tower/0/bias": { shape: [2], data: Float32Array.of(0, 5) },
 *   "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(1, 100) },
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[3, 4]]))).y, Float32Array.of(3 * 7 + 3 + 100 * (4 * 5 + 4)));
 * model.dispose();
 * ```
 */
export function crossNet(layers: number, options: CrossNetOptions = {}): Net {
  wholeNumber("crossNet", "layers", layers);
  const { rank, init = inits.glorotUniform } = optionsOf("apply crossNet", options, ["rank", "init"]);
  if (rank !== undefined) wholeNumber("crossNet", "rank", rank);
  const steps = Array.from({ length: layers }, () => crossing(rank, init));
  return (x) => steps.reduce((crossed, step) => add(mul(x, step(crossed)), crossed), x);
}

/** The product of a layer's input with its matrix, and its bias: `[batch, width]`. */
function crossing(rank: number | undefined, init: Init): Net {
  return layer((parameter, x) => {
    const width = widthOf(x);
    const product = rank === undefined
      ? matmul(x, parameter("kernel", [width, width], init))
      : matmul(matmul(x, parameter("down", [width, rank], init)), parameter("up", [rank, width], init));
    return add(product, parameter("bias", [width], inits.zeros));
  });
}

/** The options of {@linkcode gateUnit}. */
export interface GateUnitOptions {
  /** The units of the gate's hidden layer. Default: as many as it gates. */
  readonly hidden?: number;
  /** The factor of the sigmoid, above 0. Default 2, as in the paper: the gate begins near 1. */
  readonly gamma?: number;
}

/**
 * A net whose layers are scaled, unit by unit, by what a prior says: the Gate NU of PEPNet and PPNet (Chang et al. 2023),
 * `gamma sigmoid(relu([prior, main] W + b) W' + b')`, in which no gradient reaches the main part through the gate.
 *
 * It reads a stream of two: the first columns are the prior (the domain; or user, item and author), all others the main
 * part. Without layers it is EPNet, `gate * main`. With layers it is the tower of PPNet: each layer's output is
 * scaled by a gate of its own, `h_(l+1) = gate_l * layer_l(h_l)`, where `h_0` is the main part. FuxiCTR gives the gates
 * embeddings of their own: here that is a matter of the stream.
 *
 * Parameters: of each gate `kernel [width, hidden]`, `bias [hidden]`, `outKernel [hidden, units]`, `outBias [units]`,
 * beside those of the layers. Output: `[batch, units]` of the last layer, without layers those of the main part.
 *
 * @param prior The number of columns of the prior, at least 1.
 * @param layers The nets of the layers. Default: none.
 * @throws {RangeError} if `prior` or `hidden` is not a whole number of at least 1, or `gamma` is not above 0; while
 * defining, if no column is left for the main part.
 * @throws {TypeError} if `layers` is not a list of functions, or an option is unknown.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compile, define, gateUnit, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 3, tasks: { y: regression(gateUnit(1, [], { hidden: 1 })) } });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "tasks/y/tower/0/kernel": { shape: [3, 1], data: Float32Array.of(1, 0, 0) }, // the prior alone
 *   "tasks/y/tower/0/outKernel": { shape: [1, 2], data: Float32Array.of(0, Math.log(3)) },
 *   "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(1, 100) },
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(rows([[1, 5, 7], [0, 5, 7]]));
 * assertAlmostEquals(y[0], 5 * 2 * 0.5 + 100 * 7 * 2 * 0.75, 1e-3); // sigmoid(log 3) is 0.75
 * assertAlmostEquals(y[1], 5 + 100 * 7, 1e-3);
 * model.dispose();
 * ```
 */
export function gateUnit(prior: number, layers: readonly Net[] = [], options: GateUnitOptions = {}): Net {
  wholeNumber("gateUnit", "prior", prior);
  if (!(Array.isArray(layers) && layers.every((net) => typeof net === "function"))) {
    throw misapplied(
      new TypeError(`Cannot apply gateUnit: layers must be a list of functions, found ${kindOf(layers)}`),
    );
  }
  const { hidden, gamma = 2 } = optionsOf("apply gateUnit", options, ["hidden", "gamma"]);
  if (hidden !== undefined) wholeNumber("gateUnit", "hidden", hidden);
  if (!(Number.isFinite(gamma) && gamma > 0)) {
    throw misapplied(new RangeError(`Cannot apply gateUnit: gamma must be above 0, found ${kindOf(gamma)}`));
  }
  const gates = layers.length === 0 ? [gating(hidden, gamma)] : layers.map(() => gating(hidden, gamma));
  return (x) => {
    const left = widthOf(x) - prior;
    if (left < 1) {
      const found = `found ${shapeText(x.shape)} with a prior of ${prior}`;
      throw misapplied(new RangeError(`Cannot apply gateUnit: columns beside the prior are needed, ${found}`));
    }
    const main = slice(x, prior, left);
    const read = concat([slice(x, 0, prior), stopGradient(main)]);
    return gates.reduce((h, gate, at) => gate(read, layers.length === 0 ? h : layers[at](h)), main);
  };
}

/** Returns a function that scales the units of a value, `[batch, units]`, by a gate that reads another. */
function gating(hidden: number | undefined, gamma: number): (read: Value, h: Value) => Value {
  const parameter = claims();
  const affine = (x: Value, kernel: string, bias: string, units: number) =>
    add(
      matmul(x, parameter(kernel, [widthOf(x), units], inits.glorotUniform)),
      parameter(bias, [units], inits.zeros),
    );
  return (read, h) => {
    const units = widthOf(h);
    const between = relu(affine(read, "kernel", "bias", hidden ?? units));
    return mul(h, mul(sigmoid(affine(between, "outKernel", "outBias", units)), gamma));
  };
}

/**
 * The squeeze and excitation of fields (SENet in FiBiNET, Huang et al. 2019): each vector is scaled by what
 * the means of all vectors say of its field, `v_f = a_f e_f` with `a = relu(relu(z W) W')`, `z_f` the mean of `e_f`.
 *
 * Both layers have a relu and no bias, as in the paper and in FuxiCTR; so a field can be left out altogether.
 *
 * Parameters: `kernel [fields, hidden]`, `outKernel [hidden, fields]`, where `hidden` is `fields / ratio`, rounded down,
 * at least 1. Output: `[batch, fields, k]`.
 *
 * @param ratio The fields for each hidden unit, at least 1. Default 3, as in the paper.
 * @throws {RangeError} if the ratio is below 1; while defining, if the net is applied to a value of another shape.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, pipe, reference, regression, rows, squeezeExcite } from "@gatehouse/gatehouse";
 * import { reshape } from "@gatehouse/gatehouse/ops";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const net = pipe((x) => reshape(x, ["batch", 2, 2]), squeezeExcite(), (x) => reshape(x, ["batch", 4]));
 * const spec = define({ input: 4, tasks: { y: regression(net) } });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "tasks/y/tower/0/kernel": { shape: [2, 1], data: Float32Array.of(1, 1) },
 *   "tasks/y/tower/0/outKernel": { shape: [1, 2], data: Float32Array.of(10, -1) },
 *   "tasks/y/head/0/kernel": { shape: [4, 1], data: Float32Array.of(1, 1, 1, 1) },
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const [a, b] = [[1, 3], [5, 7]]; // their means are 2 and 6, so that the first is scaled by 80 and the other by 0
 * assertEquals((await model.predict(rows([[...a, ...b]]))).y, Float32Array.of(80 * (1 + 3)));
 * model.dispose();
 * ```
 */
export function squeezeExcite(ratio = 3): Net {
  if (!(Number.isFinite(ratio) && ratio >= 1)) {
    throw misapplied(new RangeError(`Cannot apply squeezeExcite: ratio must be at least 1, found ${kindOf(ratio)}`));
  }
  const scale = layer((parameter, z) => {
    const fields = widthOf(z);
    const hidden = Math.max(1, Math.floor(fields / ratio));
    const squeezed = relu(matmul(z, parameter("kernel", [fields, hidden], inits.glorotUniform)));
    return relu(matmul(squeezed, parameter("outKernel", [hidden, fields], inits.glorotUniform)));
  });
  return (x) => {
    const fields = fieldsOf("squeezeExcite", x);
    return mul(x, reshape(scale(mean(x)), ["batch", fields, 1]));
  };
}

/** Returns the number of fields of vectors `[batch, fields, k]`. */
function fieldsOf(name: string, x: Value): number {
  if (!isValue(x)) throw misapplied(new TypeError(`Cannot apply ${name}: a value is needed, found ${kindOf(x)}`));
  if (x.shape.length === 3 && x.shape[0] === "batch") return x.shape[1] as number;
  const wanted = "wanted those of embed(k, { stacked: true })";
  throw misapplied(
    new RangeError(
      `Cannot apply ${name}: vectors [batch, fields, k] are needed, found ${shapeText(x.shape)}: ${wanted}`,
    ),
  );
}

import { quoted } from "../errors/quoted.ts";
import { advice } from "../errors/nearest.ts";
import { type Rows, sliceRows } from "../data/rows.ts";
import { checkRows } from "../model/check_rows.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { optimise } from "../graph/optimise.ts";
import type { Segments } from "../features/kind.ts";
import { groupsOf, kinds } from "../features/table.ts";
import type { Spec } from "../spec/spec.ts";
import { kindOf, optionsOf } from "../errors/kinds.ts";
import { inputTensors } from "../model/feed.ts";
import { capacityOf, dropsOf } from "./gate_capacity.ts";
import { outputsOf } from "./expert_outputs.ts";
import { addRow, type GateSums, noSums, statistics } from "./gate_sums.ts";
import type { GateUse } from "./gate_use.ts";
import { type GateWarning, warningsOf } from "./gate_warnings.ts";
import { prediction } from "../model/graphs.ts";
import type { Plan } from "../trace/plan.ts";
import { mostRows } from "../model/feed.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";

/** The use that the gates of a model make of its experts. Plain JSON. */
export interface GateReport {
  /** The number of rows. */
  readonly rows: number;
  /** The gates, level by level; those of a single expert, whose weight is always 1, are left out. */
  readonly gates: readonly GateUse[];
  /** The warnings, level by level. */
  readonly warnings: readonly GateWarning[];
  /** The feature whose values are the segments; absent if none was asked for. */
  readonly by?: string;
  /**
   * The report broken down by the values of that feature: in the order of its words, then the unknown ones, then the
   * missing ones; values without rows are left out. Absent if no feature was asked for.
   */
  readonly segments?: readonly GateSegment[];
}

/** The use of the experts over the rows that share a value of a feature. */
export interface GateSegment {
  /** The value; null for values that are not among the feature's words. */
  readonly value: string | null;
  /** The reason why it is null: values are missing, or unknown. */
  readonly reserved?: "missing" | "unknown";
  /** The number of rows. */
  readonly rows: number;
  /** True if there are fewer than 100 rows. With 100, the standard error of a share is 0.05 at worst. */
  readonly few: boolean;
  /** The gates, as in the whole. */
  readonly gates: readonly GateUse[];
}

/** The options of {@linkcode gateReport}. */
export interface GateReportOptions {
  /** The feature of the model, of any kind but numbers, by whose values the report is broken down. */
  readonly by?: string;
  /** The rows of a batch, by which the room of banks with a capacity is counted. Default 256, as in `train`. */
  readonly batch?: number;
}

/**
 * Returns a report on the gates of a model: how they spread their weights over the experts in some rows, and warnings.
 * Rows are run some at a time, and only sums are kept of them.
 *
 * `gateTable` shows it as text, `gateChart` of `@gatehouse/gatehouse/svg` as a picture. Figure 6 of Ma et al. 2018
 * shows such means, of two gates over four experts.
 *
 * @param data At least one row; labels are not needed.
 * @throws {TypeError} if the rows do not fit, or if the feature is unknown or a number without buckets.
 * @throws {RangeError} if the rows do not fit, if there are none, if `batch` is not a whole number of at least 1, or if
 * a weight is not finite, naming row and expert.
 *
 * @example Two experts, used alike
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, gateReport } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 * import { level, mix, reference, regression, rows, softmax } from "@gatehouse/gatehouse";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [1, 2], data: Float32Array.of(0, Math.log(3)) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/y/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { gates: [gate], warnings } = await gateReport(model, rows([[1], [-1], [0], [0]]));
 * assertEquals(gate.experts, ["shared/0", "shared/1"]);
 * gate.mean.forEach((weight) => assertAlmostEquals(weight, 0.5, 1e-6)); // 1/4, 3/4, 1/2 and 1/2 of expert 0
 * assertEquals(gate.top, [0.5, 0.5]);
 * assertAlmostEquals(gate.effective!, 2, 1e-6);
 * assertEquals(warnings, []);
 * model.dispose();
 * ```
 */
export async function gateReport(model: Model, data: Rows, options: GateReportOptions = {}): Promise<GateReport> {
  const action = "report gates";
  insidesOf(model, action);
  const { by, batch = 256 } = optionsOf(action, options, ["by", "batch"]);
  if (!(Number.isSafeInteger(batch) && batch >= 1)) {
    throw new RangeError(`Cannot ${action}: batch must be a whole number of at least 1, found ${kindOf(batch)}`);
  }
  const values = by === undefined ? undefined : segmentsOf(model.spec, by);
  checkRows(model.spec, data);
  if (data.count === 0) throw new RangeError(`Cannot ${action}: there are no rows, wanted at least one`);
  const gates = gatesOf(model.spec);
  const { whole, segments, dropped } = await collected(model, data, gates, values, batch);
  const used = (sums: Sums): GateUse[] => gates.map((gate, at) => ({ ...gate, ...statistics(sums.gates[at]) }));
  const withCapacity = (gate: GateUse, at: number): GateUse => {
    const counts = dropped?.[at];
    return counts === undefined ? gate : { ...gate, capacity: capacityOf(batch, counts, whole.gates[at].load) };
  };
  const report = { rows: data.count, gates: used(whole).map(withCapacity) };
  const warnings = warningsOf(model.spec, report.gates, await model.parameters(), await outputsOf(model, data));
  if (by === undefined || values === undefined) return { ...report, warnings };
  const found = values.codes.filter((code) => segments.has(code)).map((code): GateSegment => {
    const sums = segments.get(code)!;
    return { ...values.value(code), rows: sums.rows, few: sums.rows < fewRows, gates: used(sums) };
  });
  return { ...report, warnings, by, segments: found };
}

/** The sums of some rows. */
interface Sums {
  rows: number;
  readonly gates: readonly GateSums[];
}

/** Runs the rows, some at a time, and adds up the weights of all of them, and of those of each value. */
async function collected(
  model: Model,
  data: Rows,
  gates: readonly Gate[],
  values: Segments | undefined,
  batch: number,
): Promise<{
  readonly whole: Sums;
  readonly segments: ReadonlyMap<number, Sums>;
  readonly dropped: readonly (Float64Array | undefined)[] | undefined;
}> {
  const { plan, programOf, fed } = insidesOf(model, "report gates");
  const nothing = (): Sums => ({ rows: 0, gates: gates.map(({ experts }) => noSums(experts.length)) });
  const whole = nothing();
  const segments = new Map<number, Sums>();
  const drops = dropsOf(model.spec, gates);
  const size = drops === undefined ? mostRows : batch * Math.max(1, Math.floor(mostRows / batch)); // whole batches
  for (let start = 0; start < data.count; start += size) {
    const piece = sliceRows(data, start, Math.min(size, data.count - start));
    const weights: Tensor["data"][] = [];
    if (gates.length > 0) {
      const { graph, program } = programOf("gates", () => weighing(plan, gates));
      insidesOf(model, "report gates"); // it may be disposed meanwhile
      const outputs = await program.run(fed(graph, inputTensors(piece)));
      weights.push(...gates.map((gate) => finiteWeights(outputs[`gates/${gate.gate}`], gate, start)));
    }
    for (let row = 0; row < piece.count; row += batch) drops?.add(weights, row, Math.min(row + batch, piece.count));
    for (let row = 0; row < piece.count; row++) {
      add(whole, weights, row);
      if (values === undefined) continue;
      const code = values.code(piece.inputs, row);
      if (!segments.has(code)) segments.set(code, nothing());
      add(segments.get(code)!, weights, row);
    }
  }
  return { whole, segments, dropped: drops?.counts };
}

/** The graph of the gates' weights, without what only predictions need. Where no gate reads rows, it is that of both. */
function weighing(plan: Plan, gates: readonly Gate[]): Graph {
  const both = prediction(plan, true);
  const alone = optimise(both, gates.map(({ gate }) => `gates/${gate}`));
  return alone.nodes.some(({ op }) => op === "input") ? alone : both;
}

/** The rows below which a segment is marked: the standard error of a share of n rows is 0.5 / sqrt(n) at most. */
const fewRows = 100;

/** A gate, and the experts that it mixes. */
type Gate = Pick<GateUse, "gate" | "level" | "stream" | "experts">;

/** Returns the gates with weights, and the expert of each weight. */
function gatesOf({ levels }: Spec): Gate[] {
  return levels.flatMap(({ experts, gates }, level) =>
    Object.entries(gates).filter(([, { gate }]) => gate !== null).map(([stream, { mix }]) => {
      const names = mix.flatMap((bank) => Array.from({ length: experts[bank].count }, (_, at) => `${bank}/${at}`));
      return { gate: `${level}/${stream}`, level, stream, experts: names };
    })
  );
}

/**
 * Returns the segments of rows that have the same value of a feature.
 *
 * @throws {TypeError} if there is no such feature, or if its kind has no segments.
 */
function segmentsOf({ input }: Spec, by: string): Segments {
  const action = `Cannot report gates by ${kindOf(by)}`;
  if ("width" in input) throw new TypeError(`${action}: the model reads ${input.width} numbers a row, without names`);
  const groups = groupsOf(input.features);
  if (typeof by !== "string" || !Object.hasOwn(input.features, by)) {
    const names = groups.flatMap(({ kind, features }) => kind.segments ? features.map(([name]) => name) : []);
    throw new TypeError(`${action}: the model has no feature of that name${advice(by, names)}`);
  }
  const { kind, features } = groups.find(({ features }) => features.some(([name]) => name === by))!;
  if (kind.segments === undefined) {
    const wanted = Object.entries(kinds).flatMap(([name, { segments }]) => segments ? [name] : []).join(" or ");
    const way = "numeric({ boundaries }) makes buckets of a number";
    throw new TypeError(`${action}: the feature is ${input.features[by].kind}, wanted ${wanted}: ${way}`);
  }
  return kind.segments(features, by);
}

/**
 * Returns the weights of a gate over a piece of rows.
 *
 * @throws {RangeError} if one is not finite.
 */
function finiteWeights({ data }: Tensor, { gate, experts }: Gate, start: number): Tensor["data"] {
  const at = data.findIndex((weight) => !Number.isFinite(weight));
  if (at < 0) return data;
  const row = start + Math.floor(at / experts.length);
  const expert = experts[at % experts.length];
  const found = `the weight of ${expert} is ${data[at]}`;
  throw new RangeError(`Cannot report gates\n  at row ${row}, gate ${quoted(gate)}: ${found}`);
}

function add(sums: Sums, weights: readonly Tensor["data"][], row: number): void {
  sums.rows++;
  sums.gates.forEach((gate, at) => addRow(gate, weights[at], row * gate.weight.length));
}

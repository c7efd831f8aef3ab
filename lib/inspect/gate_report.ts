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
import { checkOptions, kindOf } from "../errors/kinds.ts";
import { inputTensors, readBy } from "../model/feed.ts";
import { capacityOf, dropsOf } from "./gate_capacity.ts";
import { outputsOf } from "./expert_outputs.ts";
import { addRow, type GateSums, noSums, statistics } from "./gate_sums.ts";
import type { GateUse } from "./gate_use.ts";
import { type GateWarning, warningsOf } from "./gate_warnings.ts";
import { prediction } from "../model/graphs.ts";
import { checkModel, type Model, mostRows } from "../model/model.ts";

/** How the gates of a model use its experts. Plain JSON. */
export interface GateReport {
  /** The number of rows that were looked at. */
  readonly rows: number;
  /** The gates, level by level; those of a single expert, whose weight is always 1, are left out. */
  readonly gates: readonly GateUse[];
  /** What is wrong. */
  readonly warnings: readonly GateWarning[];
  /** The feature whose values are the segments; absent without. */
  readonly by?: string;
  /**
   * The same for the rows of each value of that feature: in the order of its words, then those of no word; values
   * without rows are left out. Absent without a feature.
   */
  readonly segments?: readonly GateSegment[];
}

/** How the gates use the experts in rows that are alike. */
export interface GateSegment {
  /** The value that they share; null for the values that are none of the feature's words. */
  readonly value: string | null;
  /** The number of rows. */
  readonly rows: number;
  /** Whether they are fewer than 100: then shares are known to a standard error of 0.05 at worst, and no better. */
  readonly few: boolean;
  /** The gates, as in the whole. */
  readonly gates: readonly GateUse[];
}

/** The options of {@linkcode gateReport}. */
export interface GateReportOptions {
  /** The category feature of the model by whose values rows are told apart. */
  readonly by?: string;
  /** The rows of a batch, of which the experts of banks with a capacity take some only. Default 256, as in `train`. */
  readonly batch?: number;
}

/**
 * Looks at the gates of a model: how they spread their weights over the experts in some rows, and what is wrong with
 * them. Rows are run some at a time, and sums are all that is kept of them.
 *
 * Show it by `gateTable`, and by `gateChart` of `@gatehouse/gatehouse/svg`. Figure 6 of Ma et al. 2018 shows such means,
 * of two gates over four experts.
 *
 * @param data At least one row; labels are not needed.
 * @throws {TypeError | RangeError} for rows that do not fit, and where the feature is none or no category.
 * @throws {RangeError} if there are no rows, `batch` is no whole number of at least 1, or a weight is not finite, naming
 * row and expert.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, gateReport, initialise, level, mix, reference, regression, rows, softmax } from "@gatehouse/gatehouse";
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
  checkModel(model, action);
  checkOptions(action, options, ["by", "batch"]);
  const { by, batch = 256 } = options;
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
    return { value: values.word(code), rows: sums.rows, few: sums.rows < fewRows, gates: used(sums) };
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
  const nothing = (): Sums => ({ rows: 0, gates: gates.map(({ experts }) => noSums(experts.length)) });
  const whole = nothing();
  const segments = new Map<number, Sums>();
  const drops = dropsOf(model.spec, gates);
  const size = drops === undefined ? mostRows : batch * Math.max(1, Math.floor(mostRows / batch)); // whole batches
  for (let start = 0; start < data.count; start += size) {
    const piece = sliceRows(data, start, Math.min(size, data.count - start));
    const weights: Tensor["data"][] = [];
    if (gates.length > 0) {
      const { graph, program } = model.programOf("gates", () => weighing(model, gates));
      const outputs = await program.run(readBy(graph, inputTensors(piece)));
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
function weighing({ spec, layout, engine }: Model, gates: readonly Gate[]): Graph {
  const both = prediction(spec, layout, true, engine.rules);
  const alone = optimise(both, gates.map(({ gate }) => `gates/${gate}`));
  return alone.nodes.some(({ op }) => op === "input") ? alone : both;
}

/** Fewer rows than this are marked: the standard error of a share of n rows is 0.5 / sqrt(n) at most. */
const fewRows = 100;

/** A gate, and the experts that it mixes. */
type Gate = Pick<GateUse, "gate" | "level" | "stream" | "experts">;

/** The gates with weights, and which expert of which bank each weight belongs to. */
function gatesOf({ levels }: Spec): Gate[] {
  return levels.flatMap(({ experts, gates }, level) =>
    Object.entries(gates).filter(([, { gate }]) => gate !== null).map(([stream, { mix }]) => {
      const names = mix.flatMap((bank) => Array.from({ length: experts[bank].count }, (_, at) => `${bank}/${at}`));
      return { gate: `${level}/${stream}`, level, stream, experts: names };
    })
  );
}

/** The segments of rows that have the same value of a feature, if its kind counts them. */
function segmentsOf({ input }: Spec, by: string): Segments {
  const action = `Cannot report gates by ${quoted(String(by))}`;
  if ("width" in input) throw new TypeError(`${action}: the model reads ${input.width} numbers a row, without names`);
  const groups = groupsOf(input.features);
  if (!Object.hasOwn(input.features, by)) {
    const names = groups.flatMap(({ kind, features }) => kind.segments ? features.map(([name]) => name) : []);
    throw new TypeError(`${action}: the model has no feature of that name${advice(String(by), names)}`);
  }
  const { kind, features } = groups.find(({ features }) => features.some(([name]) => name === by))!;
  if (kind.segments === undefined) {
    const wanted = Object.entries(kinds).flatMap(([name, { segments }]) => segments ? [`a ${name}`] : []).join(" or ");
    const way = "to tell its ranges apart, report on the rows of each";
    throw new TypeError(`${action}: the feature is ${input.features[by].kind}, wanted ${wanted}: ${way}`);
  }
  return kind.segments(features, by);
}

/** The weights of a gate over a piece of rows. */
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

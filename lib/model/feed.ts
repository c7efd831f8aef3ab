import { draw } from "../data/draw.ts";
import { type Rows, sliceRows } from "../data/rows.ts";
import { keyOf } from "../data/threefry.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { InputSpec } from "../features/input.ts";
import { partsOf } from "../features/parts.ts";
import type { Graph } from "../graph/graph.ts";
import { groupsOf, heads, lossOverAll, scaleOf } from "../heads/heads.ts";
import { sizeOf, withBatch } from "../ops/shape.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";

/**
 * Returns a batch as a step or an evaluation takes it: inputs, and for every task labels, weights and any groups.
 *
 * Losses are means, so weights may be scaled: they are, so that neither their sums nor the products of pairs overflow.
 *
 * @param scales The factor of each task's weights. Default: {@linkcode scalesOf} the batch.
 */
export function batchTensors(
  spec: Spec,
  rows: Rows,
  scales: Readonly<Record<string, number>> = scalesOf(spec, rows),
): Record<string, Tensor> {
  const tensors = inputTensors(rows, spec.input);
  for (const [task, { head }] of Object.entries(spec.tasks)) {
    const { labels: given, weights, groups } = labelled(spec, rows, task);
    const { mean, scale: deviation } = scaleOf(head);
    const labels = given.map((label) => Number.isNaN(label) ? 0 : (label - mean) / deviation);
    const compares = lossOverAll(head) !== undefined;
    tensors[`labels/${task}`] = heads[head.kind].label.codes
      ? { shape: [rows.count, 1], data: new Int32Array(labels) }
      : { shape: [rows.count], data: compares ? comparable(labels) : new Float32Array(labels) };
    const scale = scales[task];
    const scaled = new Float32Array(scale === 1 ? weights : weights.map((weight) => weight * scale));
    tensors[`weights/${task}`] = { shape: [rows.count], data: scaled };
    if (groups !== undefined) {
      const data = comparable(groups.map((group) => Number.isNaN(group) ? 0 : group));
      tensors[`groups/${task}`] = { shape: [rows.count], data };
    }
  }
  return tensors;
}

/** Returns numbers that are only compared, in float32: their places in order, if any of them would lose digits. */
function comparable(numbers: Float32Array | Float64Array): Float32Array {
  const rounded = new Float32Array(numbers);
  if (rounded.every((number, row) => number === numbers[row])) return rounded;
  const places = new Map(Array.from(numbers.toSorted(), (number, place) => [number, place]));
  return rounded.map((_, row) => places.get(numbers[row])!);
}

/**
 * Returns the power of 2 by which the largest weight of each task, in all pieces, is at least 1 and below 2: it costs no
 * digits.
 */
export function scalesOf(spec: Spec, ...pieces: readonly Rows[]): Record<string, number> {
  return mapEntries(spec.tasks, (task) => {
    if (pieces.every(({ weights }) => columnOf(weights, task) === undefined)) return 1; // all weights are 1
    const largest = (most: number, weight: number) => Math.max(most, weight);
    const most = pieces.reduce((most, rows) => labelled(spec, rows, task).weights.reduce(largest, most), 0);
    return most > 0 ? 2 ** Math.min(-Math.floor(Math.log2(most)), 1023) : 1;
  });
}

/** The most rows that are run at a time. */
export const mostRows = 1024;

/** Returns the inputs of rows as the graph takes them, lists padded; empty ones are of models with other features. */
export function inputTensors(rows: Rows, input: InputSpec): Record<string, Tensor> {
  const { count, inputs } = rows;
  const padded = partsOf(input).map(({ lists }) => lists?.padded(rows));
  const given = Object.entries(Object.assign({}, inputs, ...padded) as Rows["inputs"])
    .filter(([, data]) => data.length > 0);
  return Object.fromEntries(given.map(([name, data]) => [name, { shape: [count, data.length / count], data }]));
}

/** The labels of a task, the weights of its rows and any groups, `[rows]` each. */
interface Labelled {
  readonly labels: Float32Array | Float64Array;
  readonly weights: Float64Array;
  readonly groups?: Float32Array | Float64Array;
}

/**
 * Returns the labels of a task, NaN where one is missing, the weights of its rows, 0 if a row does not count, and their
 * groups if the task compares rows of one group. A row does not count without a label, without a group, or outside the
 * sample space of the task: the rows where another task's label is 1.
 */
export function labelled({ tasks }: Spec, { count, labels, weights }: Rows, task: string): Labelled {
  const absent = () => new Float64Array(count).fill(NaN);
  const given = columnOf(labels, task) ?? absent();
  const weight = columnOf(weights, task);
  const { head, only } = tasks[task];
  const column = groupsOf(head);
  const groups = column === undefined ? undefined : columnOf(labels, column) ?? absent();
  const space = only === undefined ? undefined : columnOf(labels, only) ?? absent();
  const counted = { labels: given, weights: new Float64Array(count), groups };
  for (let row = 0; row < count; row++) {
    const known = !Number.isNaN(given[row]);
    const inside = (groups === undefined || !Number.isNaN(groups[row])) && (space === undefined || space[row] === 1);
    if (known && inside) counted.weights[row] = weight === undefined ? 1 : weight[row];
  }
  return counted;
}

/** Returns true if any row counts for any task: if it has a label, and a weight above 0. */
export function anyCounts(spec: Spec, rows: Rows): boolean {
  for (let start = 0; start < rows.count; start += someRows) {
    const some = sliceRows(rows, start, Math.min(someRows, rows.count - start));
    if (Object.keys(spec.tasks).some((task) => labelled(spec, some, task).weights.some((weight) => weight > 0))) {
      return true;
    }
  }
  return false;
}

/** The rows that are looked at before more are: most often the first one counts. */
const someRows = 1024;

/** Returns the tensors that a graph reads: not every model reads all inputs, nor every optimiser the step's number. */
export function readBy(graph: Graph, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const read = namesRead(graph);
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => read.has(name)));
}

/** The names that graphs read, found once for each graph. */
const reads = new WeakMap<Graph, ReadonlySet<unknown>>();

/** Returns the names of the inputs and noises that a graph reads. */
export function namesRead(graph: Graph): ReadonlySet<unknown> {
  const known = reads.get(graph);
  if (known !== undefined) return known;
  const found = new Set(graph.nodes.flatMap(({ op, attrs }) => op === "input" || op === "noise" ? [attrs.name] : []));
  reads.set(graph, found);
  return found;
}

/** Returns the column of a task, whatever its name: `constructor` is a name like any other. */
export function columnOf(columns: Rows["labels"], task: string): Float32Array | Float64Array | undefined {
  return columns !== undefined && Object.hasOwn(columns, task) ? columns[task] : undefined;
}

/**
 * Returns random numbers for every noise of a graph, which depend on the seed and the noise's name alone: those of
 * `random("SEED:NAME")`, in the order of the elements.
 */
export function noiseTensors(graph: Graph, batch: number, seed: string): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  const words = new Int32Array(1024);
  for (const { op, attrs, shape } of graph.nodes) {
    if (op !== "noise") continue;
    const fixed = withBatch(shape, batch);
    const data = new Float32Array(sizeOf(fixed));
    const spread = attrs.kind === "normal" ? "normal" : "uniform";
    draw({ data, from: 0, to: data.length }, keyOf(`${seed}:${attrs.name}`), { spread, size: 1 }, words);
    tensors[attrs.name as string] = { shape: fixed, data };
  }
  return tensors;
}

import { parquetReadObjects } from "hyparquet";
import { noiseTensors } from "../lib/model/feed.ts";
import { permutation, random } from "../lib/data/random.ts";
import { start } from "../lib/engines/onnx/runtime.ts";
import type { Region } from "../lib/engines/onnx/regions.ts";
import { decodeSafetensors } from "../lib/formats/safetensors.ts";
import { sizeOf, withBatch } from "../lib/ops/shape.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import type { Graph } from "../lib/graph.ts";
import type { CodedRows, From, Job, JobGraph, JobLookupPart, JobTable } from "../lib/ray/form.ts";
import { firstVectorsIn } from "./ray_first.ts";

type Tensors = Record<string, Tensor>;

/** The record of a step. */
export interface Stepped {
  readonly loss: Readonly<Record<string, number>>;
  readonly auxiliary: Readonly<Record<string, number>>;
  readonly total: number;
  readonly norm: number;
  readonly rows: number;
}

/** A training that a job describes, at its end. */
export interface Driven {
  readonly steps: readonly Stepped[];
  /** The parameters by path, tables among them. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** The losses of the validation by these. */
  readonly judged: Readonly<Record<string, number>>;
}

const open = await start(1);

/**
 * Trains as a job says, by its files alone, on so many workers, which are lists of lanes here: each runs its graphs on its
 * own rows, and the sums of all are added in their order.
 */
export async function driven(opened: Opened, workers: number): Promise<Driven> {
  const training = await begun(opened);
  const { job } = training;
  const steps: Stepped[] = [];
  for (let epoch = 1; steps.length < job.steps; epoch++) {
    const orders = job.lanes.map((lane, at) => orderOf(job, lane, job.seeds[at], epoch));
    const each = job.batch / job.lanes.length;
    for (let at = 0; at < job.stepsPerEpoch && steps.length < job.steps; at++) {
      const lanes = orders.map((order) => order.slice(at * each, (at + 1) * each));
      steps.push(stepped(training, { lanes, workers, epoch, step: steps.length + 1 }));
    }
  }
  return { steps, parameters: parametersOf(training), judged: judged(training) };
}

/** A job whose files are read: trainings of it begin there. */
export interface Opened {
  readonly folder: string;
  readonly job: Job;
  readonly arrays: Readonly<Tensors>;
  readonly runs: Readonly<Record<keyof Job["graphs"], Run>>;
  readonly runOf: (graph: JobGraph) => Promise<Run>;
  readonly groups: readonly Groups[];
  readonly judged: readonly Groups[];
}

/** The numbers of a row group by column. */
type Groups = Readonly<Record<string, Tensor["data"]>>;

/** Reads the files of a job. */
export async function openedJob(folder: string, storage: string): Promise<Opened> {
  const job: Job = JSON.parse(await Deno.readTextFile(`${folder}/job.json`));
  const { tensors: arrays } = decodeSafetensors(await Deno.readFile(`${folder}/arrays.safetensors`));
  const known = new Map<string, Run>();
  const runOf = async ({ path }: JobGraph) => {
    const run = known.get(path) ?? runner(await Deno.readFile(`${folder}/${path}`));
    known.set(path, run);
    return run;
  };
  const runs = Object.fromEntries(
    await Promise.all(Object.entries(job.graphs).map(async ([name, graph]) => [name, await runOf(graph)])),
  );
  const data = `${storage}/${job.data.folder}`;
  const groups = await groupsIn(job, job.data.train, data);
  return { folder, job, arrays, runs, runOf, groups, judged: await groupsIn(job, job.data.validation!, data) };
}

/** A training that goes on. */
interface Training extends Opened {
  readonly tables: ReadonlyMap<string, Held>;
  readonly weighing: Weighing;
  readonly slots: Map<string, Float32Array>;
  flat: Float32Array;
}

async function begun(opened: Opened): Promise<Training> {
  const { folder, job, arrays, runOf } = opened;
  const tables = new Map<string, Held>();
  for (const table of job.tables) {
    const vectors = await firstVectorsIn(folder, table);
    const state = new Float32Array(table.rows * table.state).fill(table.initial);
    const run = table.update === null ? undefined : await runOf(table.update);
    tables.set(table.path, { table, vectors, state, run });
  }
  const slots = new Map(job.slots.map((slot) => {
    const first = "first" in slot ? new Float32Array(job.parameters.size).fill(slot.first) : arrays[slot.tensor].data;
    return [slot.name, Float32Array.from(first)];
  }));
  const flat = Float32Array.from(arrays[job.parameters.tensor].data);
  return { ...opened, tables, weighing: await weighed(job, runOf), slots, flat };
}

/** A step: the rows of each lane, and its place. */
interface Step {
  readonly lanes: readonly (readonly Place[])[];
  readonly workers: number;
  readonly epoch: number;
  readonly step: number;
}

/** Takes a step. */
function stepped(training: Training, of: Step): Stepped {
  const { job, arrays, tables, weighing } = training;
  const { epoch, step } = of;
  const scalar = (name: string) => {
    const one = job.scalars[name];
    return "constant" in one ? one.constant : arrays[one.array].data[step - 1];
  };
  const sums = summed(training, of, weighing.factors(epoch));
  const norm = updated(training, sums, scalar);
  const scale = job.clipNorm !== null && norm > job.clipNorm ? job.clipNorm / norm : 1;
  for (const held of tables.values()) {
    if (held.table.update !== null) moved(held, sums.touched.get(held.table.path)!, scale, scalar);
  }
  const reported = (word: string) =>
    Object.fromEntries(
      Object.entries(sums.numbers).filter(([name]) => name.startsWith(`${word}/`)).map(([name, value]) => {
        return [name.slice(word.length + 1), value];
      }),
    );
  const loss = reported("loss");
  const tasks = Object.keys(job.tasks);
  weighing.next(epoch, tasks.map((task) => loss[task]), tasks.map((task) => sums.totals[task] > 0), scalar);
  const rows = of.lanes.reduce((sum, { length }) => sum + length, 0);
  return { loss, auxiliary: reported("auxiliary"), total: sums.numbers.loss, norm, rows };
}

/** The sums of a step over all runs. */
interface Sums {
  readonly gradient: Float32Array;
  readonly kept: ReadonlyMap<string, Float32Array>;
  readonly numbers: Readonly<Record<string, number>>;
  /** The gradients of vectors by their row, of each table. */
  readonly touched: ReadonlyMap<string, Map<number, Float32Array>>;
  /** The weights of each task. */
  readonly totals: Readonly<Record<string, number>>;
}

/** Runs the first half of a step, worker by worker. */
function summed(training: Training, { lanes, workers, step }: Step, factors: readonly number[]): Sums {
  const { job, runs, groups } = training;
  const { gradients, weights } = job.graphs;
  const tasks = Object.keys(job.tasks);
  const firsts = lanes.map((_, lane) => lanes.slice(0, lane).reduce((sum, { length }) => sum + length, 0));
  const rows = lanes.reduce((sum, { length }) => sum + length, 0);
  const noise = noiseOf(job, rows, step);
  const batches = Array.from({ length: workers }, (_, worker) => {
    const own = [...lanes.keys()].filter((lane) => lane % workers === worker && lanes[lane].length > 0);
    return job.apart ? own.map((lane) => [lane]) : own.length > 0 ? [own] : [];
  }).flat().map((some) => batch(job, groups, noise, some.map((lane) => [lanes[lane], firsts[lane]])));
  const weighed = batches.map(({ inputs }) => {
    const found = runs.weights(weights, inputs);
    return Object.fromEntries(tasks.map((task) => [task, found[`weight/${task}`].data[0]]));
  });
  const totals = Object.fromEntries(tasks.map((task) => [task, weighed.reduce((sum, one) => sum + one[task], 0)]));
  const gradient = new Float32Array(job.parameters.size);
  const kept = new Map<string, Float32Array>();
  const numbers: Record<string, number> = {};
  const touched = new Map(job.tables.map(({ path }) => [path, new Map<number, Float32Array>()]));
  batches.forEach(({ inputs, count }, at) => {
    const share = (task: string) => totals[task] > 0 ? weighed[at][task] / totals[task] : 0;
    const scaled = tasks.map((task, at) => [`factor/${task}`, number(factors[at] * share(task))]);
    const found = runs.gradients(gradients, {
      ...fedTo(training, inputs, count),
      share: number(count / rows),
      ...Object.fromEntries(scaled),
    }, count);
    for (const { name, role } of gradients.outputs) {
      const { data } = found[name];
      if (role === "gradient") addTo(gradient, data);
      else if (role === "kept") kept.set(name, addTo(kept.get(name) ?? new Float32Array(data.length), data));
      else if (role === "lookup") addRows(job, name.slice("gradient/".length), data, inputs, touched);
      else if (role !== "weight") {
        const part = role === "loss" ? share(name.slice("loss/".length)) : role === "total" ? 1 : count / rows;
        numbers[name] = (numbers[name] ?? 0) + data[0] * part;
      }
    }
  });
  return { gradient, kept, numbers, touched, totals };
}

/** Returns the inputs of the graph of gradients that are not of the step. */
function fedTo({ job, tables, flat }: Training, inputs: Readonly<Tensors>, count: number): Tensors {
  const empty = job.graphs.gradients.inputs.filter(({ from }) => from === "kept").map(({ name, shape }) => {
    return [name, { shape: shape as number[], data: new Float32Array(sizeOf(shape as number[])) }];
  });
  const looked = lookedUp(job, tables, inputs, count);
  const whole = { shape: [flat.length], data: flat };
  return { ...inputs, ...looked, ...Object.fromEntries(empty), parameters: whole, carry: number(0) };
}

function addTo(sum: Float32Array, data: Tensor["data"]): Float32Array {
  for (let at = 0; at < data.length; at++) sum[at] += data[at];
  return sum;
}

/** Runs the second half of a step, and returns the norm of the gradient. */
function updated(training: Training, sums: Sums, scalar: (name: string) => number): number {
  const { job: { graphs: { update } }, tables, slots, runs, flat } = training;
  const trained = [...tables.values()].filter(({ table }) => table.update !== null);
  const squares = trained.flatMap(({ table }) => [...sums.touched.get(table.path)!.values()]).reduce((sum, row) => {
    return row.reduce((sum, value) => sum + value * value, sum);
  }, 0);
  const dataOf = (name: string, from: From): Float32Array => {
    if (from === "parameters") return flat;
    if (from === "gradient") return sums.gradient;
    if (from === "slot") return slots.get(name)!;
    if (from === "kept") return sums.kept.get(name)!;
    return Float32Array.of(from === "vectors" ? Math.sqrt(squares) : scalar(name));
  };
  const fed = update.inputs.map((
    { name, from, shape },
  ) => [name, { shape: shape as number[], data: dataOf(name, from) }]);
  const after = runs.update(update, Object.fromEntries(fed));
  for (const { name, role } of update.outputs) {
    if (role === "parameters") training.flat = Float32Array.from(after[name].data);
    else if (role === "slot") slots.set(name, Float32Array.from(after[name].data));
  }
  return after.norm.data[0];
}

/** Returns the losses of the validation, group by group, each a mean over all rows. */
function judged({ job, runs, tables, flat, judged: groups }: Training): Driven["judged"] {
  const sums = Object.fromEntries(Object.keys(job.tasks).map((task) => [task, { loss: 0, weight: 0 }]));
  groups.forEach((_, group) => {
    const rows = Array.from({ length: job.data.validation!.groups[group].rows }, (_, row) => [group, row] as const);
    const { inputs, count } = batch({ ...job, noise: [] }, groups, {}, [[rows, 0]]);
    const looked = lookedUp(job, tables, inputs, count);
    const fed = { ...inputs, ...looked, parameters: { shape: [flat.length], data: flat } };
    const found = runs.evaluate(job.graphs.evaluate, fed, count);
    for (const [task, sum] of Object.entries(sums)) {
      const weight = found[`weight/${task}`].data[0];
      sum.loss += found[`loss/${task}`].data[0] * weight;
      sum.weight += weight;
    }
  });
  return Object.fromEntries(Object.entries(sums).map(([task, { loss, weight }]) => [task, loss / weight]));
}

/** Returns the parameters of a training by path. */
function parametersOf({ job, flat, tables }: Training): Driven["parameters"] {
  const dense = Object.fromEntries(job.parameters.extents.map(({ name, shape, start, row }) => {
    const data = new Float32Array(sizeOf(shape));
    for (let at = 0, from = start; at < data.length; at += row.length, from += row.apart) {
      data.set(flat.subarray(from, from + row.length), at);
    }
    return [name, data];
  }));
  return { ...dense, ...Object.fromEntries([...tables].map(([path, { vectors }]) => [path, vectors])) };
}

/** A table and its state. */
interface Held {
  readonly table: JobTable;
  readonly vectors: Float32Array;
  readonly state: Float32Array;
  readonly run: Run | undefined;
}

/** Runs a graph by its names in the job. */
type Run = (graph: JobGraph, given: Readonly<Tensors>, batch?: number) => Tensors;

/** Returns what runs the bytes of an ONNX file. */
function runner(bytes: Uint8Array<ArrayBuffer>): Run {
  let session: ReturnType<typeof open> | undefined;
  return ({ inputs, outputs }, given, batch = 0) => {
    session ??= open(bytes, {
      inputs: inputs.map(({ onnx }) => onnx),
      outputs: outputs.map(({ onnx }) => onnx),
      plan: false,
    });
    const rows = batch > 0
      ? batch
      : given[inputs.find(({ shape }) => shape.includes("batch"))?.name ?? ""]?.shape[0] ?? 0;
    const feeds = inputs.map(({ name, shape, dtype }): Region => {
      const kind = dtype === "int32" ? Int32Array : Float32Array;
      return { shape: withBatch(shape, rows), data: new kind(given[name].data) };
    });
    const results = outputs.map(({ shape }): Region => {
      const fixed = withBatch(shape, rows);
      return { shape: fixed, data: new Float32Array(new ArrayBuffer(4 * sizeOf(fixed))) };
    });
    session.run(feeds, results);
    return Object.fromEntries(outputs.map(({ name }, at) => [name, results[at]]));
  };
}

function number(value: number): Tensor {
  return { shape: [], data: Float32Array.of(value) };
}

/** A row: its row group, and its place there. */
type Place = readonly [group: number, row: number];

/** Returns the rows of each row group, a column's numbers of each. */
async function groupsIn(job: Job, { groups }: CodedRows, folder: string): Promise<Record<string, Tensor["data"]>[]> {
  const all: Record<string, Tensor["data"]>[] = [];
  for (const { file, group, rows } of groups) {
    const { buffer } = await Deno.readFile(`${folder}/${file}`);
    const before = groups.filter((other) => other.file === file && other.group < group);
    const start = before.reduce((sum, { rows }) => sum + rows, 0);
    const objects = await parquetReadObjects({ file: buffer, rowStart: start, rowEnd: start + rows, utf8: false });
    all.push(Object.fromEntries(
      Object.entries(job.columns).map(([name, { column, dtype, shape, stored }]) => {
        const width = shape[1] as number ?? 1;
        const data = new (dtype === "int32" ? Int32Array : Float32Array)(rows * width);
        objects.forEach((object, row) => {
          if (stored === "plain") data[row] = object[column];
          else new Uint8Array(data.buffer).set(object[column], 4 * row * width);
        });
        return [name, data];
      }),
    ));
  }
  return all;
}

/** Returns the rows of a lane in the order of an epoch. */
function orderOf(job: Job, lane: readonly number[], seed: string, epoch: number): Place[] {
  const parts = job.shuffleGroups ? permutation(lane.length, random(`${seed}:parts:${epoch}`)) : [...lane.keys()];
  const inPlace = [...parts].flatMap((part): Place[] => {
    const group = lane[part];
    return Array.from({ length: job.data.train.groups[group].rows }, (_, row) => [group, row] as const);
  });
  if (!job.shuffle) return inPlace;
  const order: Place[] = [];
  for (let start = 0, window = 0; start < inPlace.length; start += job.window, window++) {
    const some = inPlace.slice(start, start + job.window);
    for (const at of permutation(some.length, random(`${seed}:order:${epoch}:${window}`))) order.push(some[at]);
  }
  return order;
}

/** Returns the random numbers of a whole batch. */
function noiseOf({ noise, seed }: Job, rows: number, step: number): Tensors {
  const nodes = noise.map(({ name, kind, shape }) => {
    return { op: "noise" as const, of: [], attrs: { name, kind, shape }, shape, type: "float" as const };
  });
  return noiseTensors({ nodes, outputs: {}, updates: {} } as Graph, rows, `${seed}:${step}`);
}

/** Returns the inputs of some lanes' rows together, each lane's from a row of the whole batch on. */
function batch(
  job: Job,
  groups: readonly Groups[],
  noise: Readonly<Tensors>,
  lanes: readonly (readonly [rows: readonly Place[], first: number])[],
): { readonly inputs: Tensors; readonly count: number } {
  const count = lanes.reduce((sum, [rows]) => sum + rows.length, 0);
  const places = lanes.flatMap(([rows]) => rows);
  const columns = Object.entries(job.columns).map(([name, { dtype, shape }]) => {
    const width = shape[1] as number ?? 1;
    const data = new (dtype === "int32" ? Int32Array : Float32Array)(count * width);
    places.forEach(([group, row], at) =>
      data.set(groups[group][name].subarray(row * width, (row + 1) * width), at * width)
    );
    return [name, { shape: withBatch(shape, count), data }];
  });
  const drawn = job.noise.map(({ name, shape }) => {
    if (!shape.includes("batch")) return [name, noise[name]];
    const width = sizeOf(shape.slice(1) as number[]);
    const data = new Float32Array(count * width);
    let at = 0;
    for (const [rows, first] of lanes) {
      data.set(noise[name].data.subarray(first * width, (first + rows.length) * width), at * width);
      at += rows.length;
    }
    return [name, { shape: withBatch(shape, count), data }];
  });
  return { inputs: Object.fromEntries([...columns, ...drawn]), count };
}

/** Calls back for each code of a part that names a row. */
function eachCode(
  { codes, columns, first, weights, weightsFrom }: JobLookupPart,
  rows: number,
  inputs: Readonly<Tensors>,
  act: (row: number, code: number, weight: number) => void,
): void {
  const { data, shape: [count, stride] } = inputs[codes];
  for (let row = 0; row < count; row++) {
    columns.forEach((column, at) => {
      const code = data[row * stride + column] - first;
      if (code < 0 || code >= rows) return;
      const given = weights === null ? undefined : inputs[weights];
      act(row, code, given ? given.data[row * given.shape[1] + weightsFrom + at] : 1);
    });
  }
}

/** Returns the vectors that a batch looks up. */
function lookedUp(job: Job, tables: ReadonlyMap<string, Held>, inputs: Readonly<Tensors>, count: number): Tensors {
  return Object.fromEntries(job.lookups.map(({ name, width, parts }) => {
    const data = new Float32Array(count * width);
    let start = 0;
    for (const part of parts) {
      const { vectors, table: { rows, units } } = tables.get(part.table)!;
      eachCode(part, rows, inputs, (row, code, weight) => {
        for (let unit = 0; unit < units; unit++) {
          data[row * width + start + unit] += weight * vectors[code * units + unit];
        }
      });
      start += units;
    }
    return [name, { shape: [count, width], data }];
  }));
}

/** Adds the gradient of a lookup to those of the rows that it read. */
function addRows(
  job: Job,
  name: string,
  gradient: Tensor["data"],
  inputs: Readonly<Tensors>,
  touched: ReadonlyMap<string, Map<number, Float32Array>>,
): void {
  const { width, parts } = job.lookups.find((lookup) => lookup.name === name)!;
  let start = 0;
  for (const part of parts) {
    const rows = touched.get(part.table)!;
    eachCode(part, job.tables.find(({ path }) => path === part.table)!.rows, inputs, (row, code, weight) => {
      const sum = rows.get(code) ?? new Float32Array(part.units);
      for (let unit = 0; unit < part.units; unit++) sum[unit] += weight * gradient[row * width + start + unit];
      rows.set(code, sum);
    });
    start += part.units;
  }
}

/** Moves the vectors of a table that a step has read. */
function moved(
  { table, vectors, state, run }: Held,
  touched: ReadonlyMap<number, Float32Array>,
  scale: number,
  scalar: (name: string) => number,
): void {
  if (scalar(table.rate!) === 0 || touched.size === 0) return;
  const { units } = table;
  const rows = [...touched.keys()];
  const gathered = (from: Float32Array, width: number) => {
    const data = new Float32Array(rows.length * width);
    rows.forEach((row, at) => data.set(from.subarray(row * width, (row + 1) * width), at * width));
    return { shape: [rows.length, width], data };
  };
  const gradient = new Float32Array(rows.length * units);
  rows.forEach((row, at) => gradient.set(touched.get(row)!, at * units));
  const known: Tensors = {
    table: gathered(vectors, units),
    state: gathered(state, table.state),
    gradient: { shape: [rows.length, units], data: gradient },
    scale: number(scale),
  };
  const fed = table.update!.inputs.map((
    { name, from },
  ) => [name, from === "scalar" ? number(scalar(name)) : known[name]]);
  const after = run!(table.update!, Object.fromEntries(fed), rows.length);
  rows.forEach((row, at) => {
    vectors.set(after.table.data.subarray(at * units, (at + 1) * units), row * units);
    if (table.state === 0) return;
    state.set(after.state.data.subarray(at * table.state, (at + 1) * table.state), row * table.state);
  });
}

/** The weighting of a job. */
interface Weighing {
  readonly factors: (epoch: number) => readonly number[];
  readonly next: (
    epoch: number,
    losses: readonly number[],
    labelled: readonly boolean[],
    scalar: (name: string) => number,
  ) => void;
}

async function weighed(job: Job, run: (graph: JobGraph) => Promise<Run>): Promise<Weighing> {
  const { weighting } = job;
  const count = Object.keys(job.tasks).length;
  const ones = Array<number>(count).fill(1);
  if (weighting === null) return { factors: () => ones, next: () => {} };
  if (weighting.kind === "dwa") {
    const seen = new Map<number, { sum: number; count: number }[]>();
    const mean = (epoch: number, task: number) => {
      const { sum = NaN, count = NaN } = seen.get(epoch)?.[task] ?? {};
      return sum / count;
    };
    return {
      factors: (epoch) => {
        const ratios = ones.map((_, task) => mean(epoch - 1, task) / mean(epoch - 2, task));
        const powers = ratios.map((ratio) => Math.exp((Number.isFinite(ratio) ? ratio : 1) / weighting.temperature));
        return powers.map((power) => count * power / powers.reduce((sum, power) => sum + power));
      },
      next: (epoch, losses, labelled) => {
        const sums = seen.get(epoch) ?? ones.map(() => ({ sum: 0, count: 0 }));
        seen.set(epoch, sums);
        losses.forEach((loss, task) => {
          if (labelled[task]) sums[task] = { sum: sums[task].sum + loss, count: sums[task].count + 1 };
        });
      },
    };
  }
  const graph = await run(weighting.graph);
  let factors: readonly number[] = weighting.factors;
  const state = new Map(weighting.state.map(({ name, first }) => [name, Float32Array.from(first)]));
  return {
    factors: () => factors,
    next: (_, losses, labelled, scalar) => {
      const fed = weighting.graph.inputs.map(({ name, from, shape }) => {
        const data = from === "state"
          ? state.get(name)!
          : from === "losses"
          ? Float32Array.from(losses)
          : from === "labelled"
          ? Float32Array.from(labelled, Number)
          : Float32Array.of(scalar(name));
        return [name, { shape: shape as number[], data }];
      });
      const after = graph(weighting.graph, Object.fromEntries(fed));
      for (const { name, role } of weighting.graph.outputs) {
        if (role === "factors") factors = Array.from(after[name].data);
        else state.set(name, Float32Array.from(after[name].data));
      }
    },
  };
}

import { isRecord } from "../errors/kinds.ts";
import { writeFolder } from "../files/atomic.ts";
import { checkPath } from "../files/place.ts";
import { sha256 } from "../files/sha256.ts";
import { type Files, hashed } from "../files/staged.ts";
import { encodeSafetensors } from "../formats/safetensors.ts";
import { flatName, type Parameter } from "../graph/layout.ts";
import { measuresOf, scaleOf } from "../heads/heads.ts";
import { checkLabelsFitted } from "../model/balance.ts";
import { checkRows } from "../model/check_rows.ts";
import { mostRows } from "../model/feed.ts";
import { initialised } from "../model/initialise.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { join, split } from "../model/parameters.ts";
import { type Data, isInMemory } from "../model/pieces.ts";
import { filesOfModel, parameterTexts, specFiles } from "../model/save.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { VectorOptimiser } from "../optimisers/optimiser.ts";
import { check } from "../spec/check.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { type Plan, plan as planOf } from "../trace/plan.ts";
import { identityOf } from "../train/identity.ts";
import { partitioned, tableOptimisers } from "../train/parts.ts";
import type { Settings } from "../train/settings.ts";
import { slotName } from "../train/update.ts";
import { type Coded, encodeRows, featuresId } from "./coded.ts";
import { columnsOf } from "./columns.ts";
import type { CodedRows, Job, JobLookupPart, JobSlot, JobTask, JobWeighting } from "./form.ts";
import { jobFormat } from "./form.ts";
import { type JobFile, jobGraphs, jobRules, looksAcross, weightingFile } from "./graphs.ts";
import { dealt, type Lanes } from "./lanes.ts";
import { stepNumbers, stepRates } from "./scalars.ts";
import { checkJob, type JobOptions, type JobSettings, jobSettings } from "./settings.ts";
import { drawnVectors, type First, heldVectors, jobTables } from "./tables.ts";

/** The folders of a job. */
export interface JobFolders {
  /** The folder of the job's own files, which are small. */
  readonly job: string;
  /** The folder that all machines share, for encoded rows, checkpoints and the result. */
  readonly storage: string;
  /** The folder of the encoded rows within the storage, which several jobs of the same features may have. Default `"data"`. */
  readonly data?: string;
}

/** A job that was written. */
export interface WrittenJob extends Omit<JobFolders, "data"> {
  /** The contents of its `job.json`. */
  readonly described: Job;
}

/**
 * Writes a training as a job: graphs as ONNX files, first parameters, rates, and what they are for in `job.json`, from which
 * a program without this library trains the model on any number of machines; and rows encoded as Parquet in the storage,
 * under `data`, where those that are there already are not encoded again.
 *
 * @param from A spec, whose parameters begin by the option `seed`, or a model, whose own they are.
 * @param data The rows to train on.
 * @param folders The folders that are written; those above them are made.
 * @throws {TypeError | RangeError} if an option is unknown, out of range, or one that the cluster does not follow, or rows do
 * not fit the model.
 * @throws {Error} if a file cannot be read or written.
 */
export async function writeJob<Tasks extends string>(
  from: Spec<Tasks> | Model<Tasks>,
  data: Data,
  options: JobOptions<NoInfer<Tasks>>,
  folders: JobFolders,
): Promise<WrittenJob> {
  const { job, storage, data: dataFolder = "data" } = folders;
  const set = jobSettings(options);
  checkPath(job, action);
  checkPath(storage, action);
  checkPath(dataFolder, action);
  const begin = await beginningOf(from, set);
  const { plan: { spec, layout, tables } } = begin;
  const { given } = set;
  checkJob(spec, given);
  const slots = partitioned(layout, given.optimiser, given.parts, tables).slots();
  tableOptimisers(tables, given.tables, layout.extents);
  for (const rows of [data, given.validation]) {
    if (rows !== undefined && isInMemory(rows)) checkRows(spec, rows, rows === data ? "train" : "evaluate");
  }
  const coding = { groupRows: set.groupRows, lanes: set.lanes, signal: given.signal };
  const encoded = async (rows: Data, name: string) =>
    await encodeRows(spec, rows, `${storage}/${dataFolder}`, name, coding);
  const train = await encoded(data, "train");
  if (!train.labelled) {
    throw new RangeError(`Cannot ${action}: no row has a label of any task (all are missing, or the weights 0)`);
  }
  const validation = given.validation && await encoded(given.validation, "validation");
  const { described, files } = jobOf(set, begin, slots, { folder: dataFolder, rows: data, train, validation });
  const digests: Record<string, string> = {};
  const hashes = Object.entries(files).map(([name, content]) => {
    return [name, hashed(content, (digest) => digests[name] = digest)] as const;
  });
  const text = function* () {
    yield new TextEncoder().encode(sealed({ ...described, files: digests })); // known by now
  };
  await writeFolder(job, { ...Object.fromEntries(hashes), [jobFile]: text }, {
    owns: (names) => names.includes(jobFile),
    mark: { file: jobFile, text: jobFormat },
    action,
  });
  return { job, storage, described: { ...described, files: digests } };
}

/** Returns a digest that jobs have in common whose encoded rows of the same data are the same, so that they may share them. */
export function codingId<Tasks extends string>(spec: Spec<Tasks>, options: JobOptions<NoInfer<Tasks>>): string {
  const { groupRows, lanes } = jobSettings(options);
  return sha256(`${featuresId(spec)} ${groupRows} ${lanes}`).slice(0, 16);
}

const action = "write job";
const [jobFile, arraysFile] = ["job.json", "arrays.safetensors"];

/** A model before its first step. */
interface Beginning {
  readonly plan: Plan;
  readonly seed: number;
  /** The parameters in the flat array, `[size]`. */
  readonly flat: Tensor;
  /** Returns the vectors with which a table begins. */
  readonly firstOf: (table: Parameter, file: string) => First;
}

/** Returns the beginning of a spec by a seed, or of a model as it is. */
async function beginningOf(from: Spec | Model, { seed }: Pick<JobSettings, "seed">): Promise<Beginning> {
  if (!isRecord(from) || typeof (from as Partial<Model>).predict !== "function") {
    const spec = check(from);
    checkLabelsFitted(action, spec);
    const plan = planOf(spec, { rules: jobRules });
    const tables = new Set(plan.tables.map(({ path }) => path));
    const dense = plan.parameters.filter(({ path }) => !tables.has(path));
    const flat = join(plan.layout, initialised(dense, seed ?? 0, spec.input));
    return { plan, seed: seed ?? 0, flat, firstOf: drawnVectors(seed ?? 0, spec.input) };
  }
  const model = from as Model;
  if (seed !== undefined) {
    throw new TypeError(
      `Cannot ${action}: seed is given beside a model, which has its own, ${model.seed}: leave it out`,
    );
  }
  const { plan: own, store, tables } = insidesOf(model, action);
  const plan = planOf(model.spec, { rules: jobRules });
  const flat = join(plan.layout, split(own.layout, await store.read(flatName)));
  return { plan, seed: model.seed, flat, firstOf: heldVectors(tables) };
}

/** Encoded rows to train and to evaluate on. */
interface CodedData {
  readonly folder: string;
  readonly rows: Data;
  readonly train: Coded;
  readonly validation: Coded | undefined;
}

/** Returns a job, and its files. */
function jobOf(
  set: JobSettings,
  { plan, seed, flat, firstOf }: Beginning,
  slots: Readonly<Record<string, Tensor>>,
  data: CodedData,
): { readonly described: Omit<Job, "files">; readonly files: Files } {
  const { given, name, shards } = set;
  const { spec, layout } = plan;
  const lanes = dealt(data.train.groups, set, seed, isInMemory(data.rows));
  const columns = columnsOf(spec);
  const { graphs, noise } = jobGraphs(plan, given.optimiser, given.parts, new Set(Object.keys(columns)));
  const optimisers = optimisersOf(plan, given);
  const { tables, files: tableFiles } = jobTables(plan.tables, optimisers, firstOf);
  const weighting = weightingOf(spec, given);
  const rates = stepRates(given, lanes);
  const numbers = stepNumbers(given, { tables: optimisers, weighting: weighting?.optimiser }, lanes);
  const beside = slotsOf(slots);
  const model = specFiles(spec);
  const modelFiles = filesOfModel(model, { files: {} });
  const { checkpoint, evaluateEvery } = given;
  const described: Omit<Job, "files"> = {
    ...{ format: jobFormat, name, seed, ...lanes, shuffle: given.shuffle, apart: looksAcross(plan) },
    data: codedOf(data),
    columns,
    tasks: mapEntries(spec.tasks, (task, one) => taskOf(one, plan.evaluation.predictions[task].shape)),
    graphs: mapEntries(graphs, (_, { described }) => described),
    noise,
    scalars: numbers.scalars,
    parameters: {
      size: layout.size,
      tensor: flatName,
      extents: layout.extents.map(({ path, shape, start, row }) => ({ name: path, shape, start, row })),
    },
    slots: beside.slots,
    tables,
    lookups: plan.lookups.map(({ name, width, parts }) => ({ name, width, parts: parts.map(partOf) })),
    shards,
    clipNorm: given.optimiser.clipNorm ?? null,
    weighting: weighting?.described ?? null,
    evaluate: { rows: mostRows, every: evaluateEvery === Infinity ? null : evaluateEvery },
    checkpoint: {
      ...{ every: everyOf(checkpoint!), keep: checkpoint!.keep, rates: rates.rates },
      identity: jobIdentity(set, seed, data.rows, lanes),
    },
    model: { files: Object.keys(modelFiles), metadata: parameterTexts({ spec, seed }, model.id) },
  };
  const arrays = encodeSafetensors({ [flatName]: flat, ...numbers.arrays, ...rates.arrays, ...beside.arrays });
  const ofGraphs = Object.values(graphs).map(({ described, bytes }) => [described.path, bytes]);
  return {
    described,
    files: {
      ...Object.fromEntries(ofGraphs),
      ...tableFiles,
      ...weighting?.files,
      ...modelFiles,
      [arraysFile]: arrays,
    },
  };
}

/** Returns rows as a job names them. */
function codedOf({ folder, train, validation }: CodedData): Job["data"] {
  const of = ({ groups, files }: Coded): CodedRows => ({ groups, files });
  return { folder, train: of(train), validation: validation === undefined ? null : of(validation) };
}

/** Returns the text of a job, whose first line has the SHA-256 of the others. */
function sealed(described: Job): string {
  const text = `${JSON.stringify(described, undefined, 1).slice(2)}\n`;
  return `{"sha256": "${sha256(text)}",\n${text}`;
}

/** Returns a part of a lookup with all of its fields. */
function partOf({ weights, ...part }: Plan["lookups"][number]["parts"][number]): JobLookupPart {
  return { ...part, weights: weights?.input ?? null, weightsFrom: weights?.from ?? 0 };
}

/**
 * Returns all that must be the same for a training to go on from a checkpoint: what `train` has, where the job takes the
 * rows in its order, which are those of one lane in memory.
 */
function jobIdentity(
  { given, window, groupRows }: JobSettings,
  seed: number,
  data: Data,
  { lanes, shuffleGroups }: Lanes,
): Job["checkpoint"]["identity"] {
  const identity = identityOf({ seed }, data, given);
  if (isInMemory(data) && lanes.length === 1 && !shuffleGroups) return identity;
  return {
    ...identity,
    data: { kind: "encoded rows", of: identity.data, lanes: lanes.length, window: window ?? null, groupRows },
  };
}

/** Returns the steps or seconds between checkpoints. */
function everyOf({ steps, seconds }: NonNullable<Settings["checkpoint"]>): Job["checkpoint"]["every"] {
  return steps === Infinity ? { seconds } : { steps };
}

/** Returns the optimisers of the tables that are trained, by path. */
function optimisersOf({ tables, layout }: Plan, given: Settings): ReadonlyMap<string, VectorOptimiser> {
  const own = tableOptimisers(tables, given.tables, layout.extents);
  const trained = tables.filter(({ frozen }) => frozen === undefined);
  return new Map(trained.map(({ path }) => [path, own.get(path) ?? given.vectors]));
}

/** Returns the arrays beside the parameters: by their number where all elements begin with one. */
function slotsOf(slots: Readonly<Record<string, Tensor>>): {
  readonly slots: readonly JobSlot[];
  readonly arrays: Readonly<Record<string, Tensor>>;
} {
  const all = Object.entries(slots).map(([own, first]) => ({ name: slotName(own), first, even: isEven(first) }));
  return {
    slots: all.map(({ name, first, even }) => even ? { name, first: first.data[0] } : { name, tensor: name }),
    arrays: Object.fromEntries(all.flatMap(({ name, first, even }) => even ? [] : [[name, first] as const])),
  };
}

function isEven({ data }: Tensor): boolean {
  return data.every((number: number) => number === data[0]);
}

/** Returns a task as reports and metrics need it. */
function taskOf({ head, weight }: TaskSpec, shape: readonly (number | string)[]): JobTask {
  const metrics = mapEntries(measuresOf(head), (name, { of }) => {
    const own = `${head.kind} ${name}`;
    return { kind: of === "loss" ? "loss" : kindsApart[own] ?? name, of };
  });
  return { weight, label: scaleOf(head), shape: shape as JobTask["shape"], metrics };
}

/** The kinds of metrics of which two have one name. */
const kindsApart: Readonly<Record<string, string>> = { "categorical accuracy": "categoricalAccuracy" };

/** Returns the weighting of a job, its optimiser and its file, if it has one. */
function weightingOf(
  { tasks }: Spec,
  { weighting, optimiser }: Settings,
):
  | { readonly described: JobWeighting; readonly optimiser?: Settings["optimiser"]; readonly files?: Files }
  | undefined {
  const written = weighting?.written?.(Object.keys(tasks).length, optimiser);
  if (written === undefined) return undefined;
  const { name } = weighting!;
  if (written.kind === "dwa") return { described: { ...written, name } };
  const file: JobFile = weightingFile("weighting.onnx", written);
  const state = Object.entries(written.state).map(([name, first]) => ({ name, first }));
  return {
    described: { kind: "graph", name, graph: file.described, factors: written.factors, state },
    optimiser: written.optimiser,
    files: { [file.described.path]: file.bytes },
  };
}

import type { Rows } from "../data/rows.ts";
import type { Engine, Store } from "../engines/engine.ts";
import { checkRecord, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Graph } from "../graph/graph.ts";
import { flatName, type Parameter } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";
import { checkLabelsFitted } from "./balance.ts";
import { calibrated, type Calibration, checkCalibrationOf } from "./calibration.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { type Plan, plan as planOf } from "../trace/plan.ts";
import { namesRead, readBy } from "./feed.ts";
import { initialised } from "./initialise.ts";
import { type Insides, insidesOf, keepInsides, type Loaded } from "./insides.ts";
import type { Model, PredictOptions } from "./model.ts";
import { outputsFor, pick } from "./outputs.ts";
import { checkMark, checkParameters, join, marked, whole } from "./parameters.ts";
import { type Tables, tablesOf, vectorsOf } from "./tables.ts";

/** The options of {@linkcode compile}. */
export interface CompileOptions {
  /** The engine that runs the model. Default: `bestEngine()`, tfjs on wasm if its file may be read, else tfjs on cpu. */
  readonly engine?: Engine | Promise<Engine>;
  /** The seed, a whole number. Default 0. */
  readonly seed?: number;
  /**
   * The parameters to begin with. Those of a model carry a mark of its features, and are refused by a model of others.
   * Default: initial values from the seed, but 0 for weights of what is missing or unknown: reserved codes, indicators.
   */
  readonly parameters?: Readonly<Record<string, Tensor>>;
  /**
   * Some parameters by path that begin with given values, all others with initial ones: vectors that were learned
   * elsewhere, as {@linkcode readVectors} reads them. Not beside `parameters`, which are all of them. Default: none.
   */
  readonly begin?: Readonly<Record<string, Tensor>>;
  /** True if like experts and gates are computed as one. The numbers are the same up to rounding. Default true. */
  readonly fuse?: boolean;
}

/**
 * Returns a model on an engine.
 *
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} if an option is unknown, the engine is not one, or parameters do not fit the spec or are given both
 * ways.
 * @throws {RangeError} if the seed is not a whole number, or the model has more parameters than fit in memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, reference, regression, rows } from "@gatehouse/gatehouse";
 *
 * const parameters = {
 *   "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(10, 100) },
 *   "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(7) },
 * };
 * const model = await compile(define({ input: 2, tasks: { y: regression() } }), { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[0, 0], [1, 2], [3, 4]]))).y, Float32Array.of(7, 217, 437));
 * model.dispose();
 * ```
 */
export async function compile<Tasks extends string>(
  given: Spec<Tasks>,
  options: CompileOptions = {},
): Promise<Model<Tasks>> {
  return await compiled(given, options, false);
}

/**
 * Returns a model on an engine, as {@linkcode compile} does.
 *
 * @param isGiven True if the arrays of the parameters become the model's own; else they are copied.
 * @param calibration What was saved with the parameters.
 */
export async function compiled<Tasks extends string>(
  given: Spec<Tasks>,
  options: CompileOptions,
  isGiven: boolean,
  calibration?: Calibration,
): Promise<Model<Tasks>> {
  const { seed = 0, fuse, engine: wanted, parameters: all, begin } = optionsOf("compile model", options, [
    "engine",
    "seed",
    "parameters",
    "begin",
  ], ["fuse"]);
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot compile model: seed must be a whole number, found ${kindOf(seed)}`);
  }
  if (begin !== undefined && all !== undefined) {
    throw new TypeError(
      "Cannot compile model: begin is given beside parameters, which are all of them: wanted one of both",
    );
  }
  if (begin !== undefined) checkRecord("compile model", "begin", begin);
  const spec = check(given) as Spec<Tasks>;
  checkLabelsFitted("compile model", spec);
  const engine = await (wanted ?? (await import("../engines/tfjs/tfjs.ts")).bestEngine());
  if (!isRecord(engine) || typeof engine.store !== "function" || typeof engine.load !== "function") {
    throw new TypeError(`Cannot compile model: wanted an engine, such as reference(), found ${kindOf(engine)}`);
  }
  const plan = planOf(spec, { rules: engine.rules, fuse });
  const { layout, parameters } = plan;
  if (layout.size > mostParameters) {
    throw new RangeError(
      `Cannot compile model: its parameters have ${layout.size} elements in all, wanted at most ${mostParameters}`,
    );
  }
  checkMark(spec.input, all ?? begin);
  const others = parameters.filter(({ path }) => begin === undefined || !Object.hasOwn(begin, path));
  const first = all ?? { ...initialised(others, seed, spec.input), ...begin };
  if (begin !== undefined) checkBegin(parameters, begin);
  if (all !== undefined || begin !== undefined) checkParameters(parameters, first);
  const store = engine.store({ [flatName]: join(layout, first) });
  const own = isGiven ? {} : all ?? begin ?? {};
  const tables = tablesOf(plan.tables, first, (path) => !Object.hasOwn(own, path));
  return modelOf(plan, engine, seed, store, tables, calibration);
}

/** Makes sure that the parameters to begin with are some of a model's. */
function checkBegin(parameters: readonly Parameter[], begin: Readonly<Record<string, Tensor>>): void {
  const known = parameters.map(({ path }) => path);
  const strange = Object.keys(begin).find((path) => !known.includes(path));
  if (strange === undefined) return;
  const near = advice(strange, known.filter((path) => !Object.hasOwn(begin, path)));
  throw new TypeError(`Cannot compile model\n  at begin: it has no parameter ${quoted(strange)}${near}`);
}

/** Returns a model whose parameters are in a store. */
function modelOf<Tasks extends string>(
  plan: Plan<Tasks>,
  engine: Engine,
  seed: number,
  store: Store,
  tables: Tables,
  calibration: Calibration | undefined,
): Model<Tasks> {
  const { spec } = plan;
  const state: Insides["state"] = { ...fresh, calibration };
  const { programOf, dispose } = programs(engine, store);
  const tasks = Object.keys(spec.tasks) as Tasks[];
  const run = async (rows: Rows, gates: boolean) => await outputsFor(() => insidesOf(model, "predict"), rows, gates);
  const model: Model<Tasks> = {
    spec,
    engine,
    seed,
    predict: async (rows, options = {}) => {
      const found = calibrationOf(options, state);
      if (found !== undefined) checkCalibrationOf(spec, "predict", found);
      const predictions = pick(await run(rows, false), tasks);
      return found === undefined ? predictions : calibrated(predictions, found);
    },
    predictEach: (source, options) => predictedEach(model, source, options),
    inspect: async (rows) => {
      const outputs = await run(rows, true);
      const gates = mapEntries(plan.evaluation.gates, (name) => outputs[`gates/${name}`] ?? new Float32Array());
      return { predictions: pick(outputs, tasks), gates };
    },
    parameters: async () => {
      insidesOf(model, "read parameters");
      return marked(spec.input, whole(plan, await store.read(flatName), tables));
    },
    assign: (parameters) => assigned(insidesOf(model, "assign parameters"), parameters),
    get calibration() {
      return state.calibration;
    },
    dispose: () => {
      Object.assign(state, { disposed: true, bests: undefined });
      dispose();
      store.dispose();
    },
  };
  keepInsides(model, {
    plan,
    store,
    tables,
    programOf,
    state,
    fed: (graph, tensors) => fedOf(plan, tables, graph, tensors),
  });
  return model;
}

/** Replaces all parameters of a model, whose calibration was of those before. */
function assigned({ plan, store, tables, state }: Insides, parameters: Readonly<Record<string, Tensor>>): void {
  checkMark(plan.spec.input, parameters);
  checkParameters(plan.parameters, parameters);
  store.write(flatName, join(plan.layout, parameters));
  for (const [path, table] of tables) {
    table.vectors.set(parameters[path].data);
    table.largest = undefined;
  }
  Object.assign(state, { largest: undefined, calibration: undefined });
}

/** Yields the predictions of each piece of a stream. */
async function* predictedEach<Tasks extends string>(
  model: Model<Tasks>,
  source: AsyncIterable<Rows>,
  options?: PredictOptions,
): AsyncGenerator<Record<Tasks, Float32Array>> {
  const begin = Object(source)[Symbol.asyncIterator] ?? Object(source)[Symbol.iterator];
  if (typeof begin !== "function") {
    throw new TypeError(`Cannot predict: wanted an async iterable of rows, found ${kindOf(source)}`);
  }
  for await (const rows of source) yield await model.predict(rows, options);
}

/** The state of a model that nothing has happened to. */
const fresh = { training: false, trained: false, disposed: false, largest: undefined, bests: undefined };

/** Returns the calibration that predictions are asked for. */
function calibrationOf(options: PredictOptions, { calibration }: Insides["state"]): Calibration | undefined {
  const { calibrated } = optionsOf("predict", options, ["calibrated"]);
  if (calibrated !== true) return calibrated as Calibration | undefined;
  if (calibration !== undefined) return calibration;
  const why = "calibrated is true, but no calibration was saved with the parameters that the model has";
  throw new TypeError(`Cannot predict: ${why}: wanted calibrated: await calibrate(model, validation)`);
}

/** Returns the programs of a model by name, each loaded when it is first wanted. */
function programs(engine: Engine, store: Store): Pick<Insides, "programOf"> & { readonly dispose: () => void } {
  const loaded = new Map<string, Loaded>();
  return {
    programOf: (name, write) => {
      const known = loaded.get(name);
      if (known !== undefined) return known;
      const graph = write();
      const fresh = { graph, program: engine.load(graph, store) };
      loaded.set(name, fresh);
      return fresh;
    },
    dispose: () => loaded.forEach(({ program }) => program.dispose()),
  };
}

/** The most elements that all parameters together can have: 4 GiB of float32. */
const mostParameters = 2 ** 30;

/** Returns what a graph reads of a batch: inputs, and vectors that its codes look up. */
function fedOf(
  { lookups }: Plan,
  tables: Tables,
  graph: Graph,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const read = readBy(graph, tensors);
  const names = namesRead(graph);
  const wanted = lookups.filter(({ name }) => names.has(name));
  return wanted.length === 0 ? read : { ...read, ...vectorsOf(wanted, tables, tensors) };
}

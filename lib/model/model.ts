import { quoted } from "../errors/quoted.ts";
import { areFinite } from "../data/finite.ts";
import { type Rows, sliceRows } from "../data/rows.ts";
import { checkRows } from "./check_rows.ts";
import type { Engine, Program, Store } from "../engines/engine.ts";
import type { Tensor } from "../ops/tensor.ts";
import { flatName, type Layout } from "../graph/layout.ts";
import type { Graph } from "../graph/graph.ts";
import { cautious } from "../graph/rules.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { checkOptions, isRecord, kindOf } from "../errors/kinds.ts";
import { inputTensors, readBy } from "./feed.ts";
import { layout as layoutFor, prediction } from "./graphs.ts";
import { initialise } from "./initialise.ts";
import { join, split } from "./parameters.ts";

/** A model on an engine: its parameters live there, and it predicts, trains and is saved. */
export interface Model<Tasks extends string = string> {
  /** The model's table in its normal form. */
  readonly spec: Spec<Tasks>;
  /** The engine that it runs on. */
  readonly engine: Engine;
  /** The seed of its initial values, and of the order of rows in training. */
  readonly seed: number;
  /** Where each parameter lies in the flat array of the store. */
  readonly layout: Layout;
  /** The parameters and whatever else training keeps on the engine. */
  readonly store: Store;
  /** A program that the model runs more than once, loaded when it is first wanted. */
  readonly programOf: (name: string, write: () => Graph) => Loaded;
  /** Whether the model is being trained, and whether it has been disposed. */
  readonly state: { training: boolean; disposed: boolean };
  /**
   * Predictions by task, one a row: probabilities, numbers, or for `categorical` tasks class probabilities, row-major
   * `[rows x classes]`. Rows are run some at a time, so any number can be given.
   *
   * @throws {TypeError | RangeError} for rows that do not fit.
   * @throws {RangeError} if a prediction is not finite, naming row and task.
   */
  predict(rows: Rows): Promise<Record<Tasks, Float32Array>>;
  /** Predictions for a stream of rows, one record for each piece that comes, at bounded memory. */
  predictEach(source: AsyncIterable<Rows>): AsyncIterable<Record<Tasks, Float32Array>>;
  /** Predictions and gate weights, row-major `[rows x experts]`, by `<level>/<stream>`. */
  inspect(rows: Rows): Promise<Inspection<Tasks>>;
  /** The parameters by path. */
  parameters(): Promise<Record<string, Tensor>>;
  /**
   * Replaces all parameters.
   *
   * @throws {TypeError} listing all that are missing, unexpected and misshapen.
   */
  assign(parameters: Readonly<Record<string, Tensor>>): void;
  /** Frees what the model holds on its engine. */
  dispose(): void;
}

/** A graph, and the program that runs it on the model's store. */
export interface Loaded {
  /** The graph. */
  readonly graph: Graph;
  /** The program. */
  readonly program: Program;
}

/** What {@linkcode Model.inspect} returns. */
export interface Inspection<Tasks extends string> {
  /** As {@linkcode Model.predict} returns them. */
  readonly predictions: Record<Tasks, Float32Array>;
  /** Gate weights, row-major `[rows x experts]`, by `<level>/<stream>`. */
  readonly gates: Record<string, Float32Array>;
}

/** The options of {@linkcode compile}. */
export interface CompileOptions {
  /** What runs the model. Default: tfjs on wasm where its files may be read, else tfjs on cpu. */
  readonly engine?: Engine | Promise<Engine>;
  /** The seed, a whole number. Default 0. */
  readonly seed?: number;
  /** The parameters to begin with. Default: initial values from the seed. */
  readonly parameters?: Readonly<Record<string, Tensor>>;
  /** Whether like experts and gates are computed as one. The numbers are the same up to rounding. Default true. */
  readonly fuse?: boolean;
}

/**
 * Puts a model on an engine.
 *
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} for unknown options, no engine, or parameters that do not fit the spec.
 * @throws {RangeError} if the seed is no whole number, or the model has more parameters than fit in memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, reference, rows } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 2, tasks: { click: binary(), like: binary() } });
 * const model = await compile(spec, { engine: reference(), seed: 7 });
 * const { click, like } = await model.predict(rows([[0, 0], [1, 2], [3, 4]]));
 * assertEquals([click.length, like.length, click[0]], [3, 3, 0.5]);
 * model.dispose();
 * ```
 */
export async function compile<Tasks extends string>(
  given: Spec<Tasks>,
  options: CompileOptions = {},
): Promise<Model<Tasks>> {
  checkOptions("compile model", options, ["engine", "seed", "parameters", "fuse"]);
  const { seed = 0, fuse = true } = options;
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot compile model: seed must be a whole number, found ${kindOf(seed)}`);
  }
  const spec = check(given) as Spec<Tasks>;
  const engine = await (options.engine ?? (await import("../engines/tfjs/tfjs.ts")).bestEngine());
  if (!isRecord(engine) || typeof engine.store !== "function" || typeof engine.load !== "function") {
    throw new TypeError(`Cannot compile model: wanted an engine, such as reference(), found ${kindOf(engine)}`);
  }
  const { rules = cautious } = engine;
  const layout = layoutFor(spec, fuse, rules);
  if (layout.size > mostParameters) {
    const wanted = `wanted at most ${mostParameters}`;
    throw new RangeError(`Cannot compile model: its parameters have ${layout.size} elements in all, ${wanted}`);
  }
  const flat = join(layout, options.parameters ?? initialise(spec, seed));
  const store = engine.store({ [flatName]: flat });
  const state = { training: false, disposed: false };
  const programs = new Map<string, Loaded>();
  const programOf = (name: string, write: () => Graph) => {
    const known = programs.get(name);
    if (known !== undefined) return known;
    const graph = write();
    const fresh = { graph, program: engine.load(graph, store) };
    programs.set(name, fresh);
    return fresh;
  };
  const run = async (rows: Rows, gates: boolean) => {
    checkModel(model, "predict");
    checkRows(spec, rows);
    const { graph, program } = programOf(
      gates ? "inspect" : "predict",
      () => prediction(spec, layout, gates, rules),
    );
    const found = await inPieces(program, rows, graph);
    checkPredictions(pick(found, tasks), rows.count);
    return found;
  };
  const tasks = Object.keys(spec.tasks) as Tasks[];
  const gateNames = spec.levels.flatMap(({ gates }, at) =>
    Object.keys(gates).filter((stream) => gates[stream].gate !== null).map((stream) => `${at}/${stream}`)
  );

  const model: Model<Tasks> = {
    spec,
    engine,
    seed,
    layout,
    store,
    programOf,
    state,
    predict: async (rows) => pick(await run(rows, false), tasks),
    async *predictEach(source) {
      for await (const rows of source) yield await model.predict(rows);
    },
    inspect: async (rows) => {
      const found = await run(rows, true);
      const gates = Object.entries(pick(found, gateNames.map((name) => `gates/${name}`)));
      return {
        predictions: pick(found, tasks),
        gates: Object.fromEntries(gates.map(([name, weights]) => [name.slice("gates/".length), weights])),
      };
    },
    parameters: async () => {
      checkModel(model, "read parameters");
      return split(layout, await store.read(flatName));
    },
    assign: (parameters) => {
      checkModel(model, "assign parameters");
      store.write(flatName, join(layout, parameters));
    },
    dispose: () => {
      state.disposed = true;
      for (const { program } of programs.values()) program.dispose();
      store.dispose();
    },
  };
  return model;
}

/**
 * Makes sure that something is a model, not a promise of one and not a spec.
 *
 * @throws {TypeError} if it is not.
 */
export function checkModel(found: unknown, action: string): asserts found is Model {
  if (!isRecord(found) || typeof found.predict !== "function" || !isRecord(found.store)) {
    const wanted = "wanted a model, as `await compile(...)` returns it";
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(found)}`);
  }
  if (isRecord(found.state) && found.state.disposed) throw new TypeError(`Cannot ${action}: the model is disposed`);
}

/** A prediction that is no number is told, not returned. */
function checkPredictions(predictions: Readonly<Record<string, Float32Array>>, rows: number): void {
  for (const [task, numbers] of Object.entries(predictions)) {
    if (areFinite(numbers)) continue;
    const at = numbers.findIndex((number) => !Number.isFinite(number));
    const row = Math.floor(at / (numbers.length / rows));
    throw new RangeError(`Cannot predict\n  at row ${row}, task ${quoted(task)}: the prediction is ${numbers[at]}`);
  }
}

/** The most elements that all parameters together can have: 4 GiB of float32. */
const mostParameters = 2 ** 30;

/** The most rows that are run at a time. */
export const mostRows = 1024;

/** Runs the program of a graph over all rows, some at a time, and joins its outputs. */
async function inPieces(program: Program, rows: Rows, graph: Graph): Promise<Record<string, Float32Array>> {
  const joined = new Map<string, Float32Array>();
  for (let start = 0; start < rows.count; start += mostRows) {
    const count = Math.min(mostRows, rows.count - start);
    const outputs = await program.run(readBy(graph, inputTensors(sliceRows(rows, start, count))));
    for (const [name, { data }] of Object.entries(outputs)) {
      const width = data.length / count;
      const whole = joined.get(name) ?? new Float32Array(rows.count * width);
      joined.set(name, whole);
      whole.set(data, start * width);
    }
  }
  return Object.fromEntries(joined);
}

function pick<Names extends string>(
  values: Readonly<Record<string, Float32Array>>,
  names: readonly Names[],
): Record<Names, Float32Array> {
  const found = names.map((name) => [name, Object.hasOwn(values, name) ? values[name] : new Float32Array()]);
  return Object.fromEntries(found);
}

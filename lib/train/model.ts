import { checkRows, type Rows, sliceRows } from "../data/rows.ts";
import type { Engine, Program, Store, Tensor } from "../engines/engine.ts";
import { flatName, type Layout, layoutOf, parametersOf } from "../graph/parameters.ts";
import type { Graph } from "../graph/graph.ts";
import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { prediction } from "./graphs.ts";
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
  /**
   * Predictions by task, one a row: probabilities, numbers, or for `categorical` tasks class probabilities, row-major
   * `[rows x classes]`. Rows are run some at a time, so any number can be given.
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
}

/**
 * Puts a model on an engine.
 *
 * @throws {SpecError} if the spec is malformed.
 * @throws {TypeError} if given parameters do not fit the spec.
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
  spec: Spec<Tasks>,
  options: CompileOptions = {},
): Promise<Model<Tasks>> {
  const { seed = 0 } = options;
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot compile model: seed must be a whole number, found ${seed}`);
  }
  check(spec);
  const layout = layoutOf(parametersOf(spec));
  const flat = join(layout, options.parameters ?? initialise(spec, seed));
  const engine = await (options.engine ?? (await import("../engines/tfjs.ts")).bestEngine());
  const store = engine.store({ [flatName]: flat });
  const programs = new Map<string, Program>();
  const program = (name: string, graph: () => Graph) => {
    const loaded = programs.get(name) ?? engine.load(graph(), store);
    programs.set(name, loaded);
    return loaded;
  };
  const run = async (rows: Rows, gates: boolean) => {
    checkRows(spec, rows);
    const loaded = program(gates ? "inspect" : "predict", () => prediction(spec, layout, gates));
    return await inPieces(loaded, rows);
  };
  const tasks = Object.keys(spec.tasks) as Tasks[];

  const model: Model<Tasks> = {
    spec,
    engine,
    seed,
    layout,
    store,
    predict: async (rows) => pick(await run(rows, false), tasks),
    async *predictEach(source) {
      for await (const rows of source) yield await model.predict(rows);
    },
    inspect: async (rows) => {
      const found = await run(rows, true);
      const gates = Object.keys(found).filter((name) => name.startsWith("gates/"));
      return {
        predictions: pick(found, tasks),
        gates: Object.fromEntries(gates.map((name) => [name.slice("gates/".length), found[name]])),
      };
    },
    parameters: async () => split(layout, await store.read(flatName)),
    assign: (parameters) => store.write(flatName, join(layout, parameters)),
    dispose: () => {
      for (const loaded of programs.values()) loaded.dispose();
      store.dispose();
    },
  };
  return model;
}

/** The most rows that are run at a time. */
export const mostRows = 1024;

/** Runs a program over all rows, some at a time, and joins its outputs. */
export async function inPieces(program: Program, rows: Rows): Promise<Record<string, Float32Array>> {
  const joined: Record<string, Float32Array> = {};
  for (let start = 0; start < rows.count; start += mostRows) {
    const count = Math.min(mostRows, rows.count - start);
    const outputs = await program.run(inputTensors(sliceRows(rows, start, count)));
    for (const [name, { data }] of Object.entries(outputs)) {
      const width = data.length / count;
      joined[name] ??= new Float32Array(rows.count * width);
      joined[name].set(data, start * width);
    }
  }
  return joined;
}

/** The inputs of rows as the graph takes them. */
export function inputTensors({ count, inputs }: Rows): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, data]) => [name, { shape: [count, data.length / count], data }]),
  );
}

function pick<Names extends string>(
  values: Readonly<Record<string, Float32Array>>,
  names: readonly Names[],
): Record<Names, Float32Array> {
  return Object.fromEntries(names.map((name) => [name, values[name] ?? new Float32Array()])) as Record<
    Names,
    Float32Array
  >;
}

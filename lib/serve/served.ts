import type { Rows } from "../data/rows.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { heads } from "../heads/heads.ts";
import type { Plan } from "../trace/plan.ts";
import { type AskedColumn, type Input, inputsOf, type Past, rowsOf } from "./inputs.ts";
import type { Meters } from "./meters.ts";
import { type Answer, queue, type QueueLimits } from "./queue.ts";
import { Refusal } from "./refusal.ts";

/** A model that answers requests. */
export interface Served {
  /** The name that requests ask for. */
  readonly name: string;
  /** Its version, such as `1`. */
  readonly version: string;
  /** Its inputs, in the order of its features. */
  readonly inputs: readonly Input[];
  /** Its outputs by name: tasks, then `gates/<level>/<stream>`. */
  readonly outputs: readonly Output[];
  /** Returns the answer to the columns of a request. */
  answer(request: Asked): Promise<Found>;
  /** Keeps the model until the function that it returns is called: while a request is read and answered. */
  hold(): () => void;
  /** Predicts a row once, so that the first request need not wait for what is prepared then. */
  warm(): Promise<void>;
  /** Resolves once nobody holds it; then the model is freed, if it belongs to the server. */
  end(): Promise<void>;
}

/** An output of a served model. */
export interface Output {
  /** The name: a task, or `gates/<level>/<stream>`. */
  readonly name: string;
  /** The numbers of a row, where there are several. */
  readonly width?: number;
}

/** A request for predictions, whatever its protocol. */
export interface Asked {
  /** The columns by name. */
  readonly columns: ReadonlyMap<string, AskedColumn>;
  /** The pointer of what holds them. */
  readonly at: string;
  /** The outputs that are wanted; undefined: all tasks. */
  readonly outputs?: readonly string[];
  /** The moment after which nobody waits for the answer, by `performance.now()`. */
  readonly until: number;
}

/** The answer to a request. */
export interface Found {
  /** The number of rows. */
  readonly count: number;
  /** The outputs that are wanted, in order, with their numbers, `[rows]` or `[rows x width]`. */
  readonly outputs: readonly (Output & { readonly data: Float32Array })[];
}

/** Returns a model as it answers requests. */
export function served(
  name: string,
  version: string,
  model: Model,
  limits: QueueLimits,
  meters: Meters,
  { isOwn = false, past }: { readonly isOwn?: boolean; readonly past?: Past } = {},
): Served {
  const { spec } = model;
  const { plan } = insidesOf(model, "serve a model");
  const inputs = inputsOf(spec.input, past);
  const [tasks, gates] = outputsOf(plan);
  const outputs = [...tasks, ...gates];
  const watched = meters.of(name, version);
  const waiting = queue(model, limits, watched);
  let holders = 0;
  let released: (() => void) | undefined;
  const answered = async (rows: Rows, wanted: readonly string[] | undefined, until: number): Promise<Found> => {
    const some = (wanted ?? tasks.map(({ name }) => name)).map((name) => {
      const output = outputs.find((output) => output.name === name);
      if (output !== undefined) return output;
      const known = outputs.map(({ name }) => name);
      throw new Refusal(400, `Cannot read the request: the model has no output ${quoted(name)}${advice(name, known)}`);
    });
    const found = await waiting.ask(rows, some.some((output) => gates.includes(output)), until);
    for (const { name } of tasks) watched.saw(name, found.predictions[name]);
    return { count: rows.count, outputs: some.map((output) => ({ ...output, data: dataOf(found, output.name) })) };
  };
  return {
    name,
    version,
    inputs,
    outputs,
    answer: async ({ columns, at, outputs, until }) => {
      const began = performance.now();
      const rows = rowsOf(spec.input, inputs, columns, at, past);
      watched.encoded(performance.now() - began);
      return await answered(rows, outputs, until);
    },
    hold: () => {
      holders++;
      return () => {
        if (--holders === 0) released?.();
      };
    },
    warm: async () => {
      const own = inputsOf(spec.input); // what the past would add is blank too
      const columns = new Map(own.map((input) => [input.name, { values: [blank(input)], pointer: () => "" }]));
      await model.predict(rowsOf(spec.input, own, columns, ""));
    },
    end: async () => {
      if (holders > 0) await new Promise<void>((resolve) => released = resolve);
      if (isOwn) model.dispose();
    },
  };
}

/** Returns the outputs of a model: its tasks, and the weights of its gates. */
function outputsOf({ spec, evaluation }: Plan): readonly [tasks: readonly Output[], gates: readonly Output[]] {
  const tasks = Object.entries(spec.tasks).map(([name, { head }]): Output => {
    const [, width] = heads[head.kind].shape(head.units);
    return { name, ...(typeof width === "number" && { width }) };
  });
  const gates = Object.entries(evaluation.gates).map(([gate, { shape }]): Output => {
    return { name: `gates/${gate}`, width: shape[1] as number };
  });
  return [tasks, gates];
}

/** Returns the numbers of an output. */
function dataOf({ predictions, gates }: Answer, name: string): Float32Array {
  return Object.hasOwn(predictions, name) ? predictions[name] : gates[name.slice("gates/".length)];
}

/** Returns a value that any model reads. */
function blank({ holds, lists, width }: Input): unknown {
  if (width !== undefined) return Array(width).fill(0);
  if (lists) return null;
  return holds === "number" ? 0 : null;
}

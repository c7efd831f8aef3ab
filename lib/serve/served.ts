import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { insidesOf } from "../model/insides.ts";
import { calibrated, type Calibration } from "../model/calibration.ts";
import type { Model } from "../model/model.ts";
import { heads } from "../heads/heads.ts";
import type { Plan } from "../trace/plan.ts";
import { type AskedColumn, askedRows, encoder, type Input, inputsOf, type Past } from "./inputs.ts";
import type { Meters } from "./meters.ts";
import { type PlainRows, plainRows } from "./plain_rows.ts";
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
  /** Its outputs: tasks, then `raw/<task>` of those that are calibrated, then `gates/<level>/<stream>`. */
  readonly outputs: readonly Output[];
  /** Reads rows by name as programs write them. */
  readonly plainRows: PlainRows;
  /** Returns the answer to the columns of a request. */
  answer(request: Asked): Promise<Found>;
  /** Keeps the model until the function that it returns is called: while a request is read and answered. */
  hold(): () => void;
  /** Predicts a row once, so that the first request need not wait for what is prepared then. */
  warm(): Promise<void>;
  /** Counts an answer of its own, or a refusal. */
  answered(status: number, seconds: number): void;
  /** Resolves once nobody holds it; then its counts go, and the model is freed, if it belongs to the server. */
  end(): Promise<void>;
}

/** An output of a served model. */
export interface Output {
  /** The name: a task, `raw/<task>` or `gates/<level>/<stream>`. */
  readonly name: string;
  /** The kind of its numbers: predictions as callers get them, those before calibration, or weights. */
  readonly of: "task" | "raw" | "gate";
  /** The numbers of a row, where there are several. */
  readonly width?: number;
  /** True if they are calibrated probabilities. */
  readonly isCalibrated?: true;
}

/** A request for predictions, whatever its protocol. */
export interface Asked {
  /** The columns, one for each input of the model. */
  readonly columns: readonly AskedColumn[];
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

/** Returns a model as it answers requests: calibrated, where a calibration was saved with it. */
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
  const outputs = outputsOf(plan, () => model.calibration);
  const watched = meters.of(name, version);
  const waiting = queue(model, encoder(spec.input, inputs, past), limits, watched);
  let holders = 0;
  let released: (() => void) | undefined;
  return {
    name,
    version,
    inputs,
    plainRows: plainRows(inputs.map(({ name }) => name)),
    get outputs() {
      return outputs();
    },
    answer: async ({ columns, at, outputs: wanted, until }) => {
      const rows = askedRows(inputs, columns, at);
      const some = wanted === undefined ? outputs().filter(isTask) : wanted.map((name) => outputNamed(name, outputs()));
      const raw = await waiting.ask(rows, some.some(({ of }) => of === "gate"), until);
      const { calibration } = model;
      const said = calibration === undefined ? raw.predictions : calibrated(raw.predictions, calibration);
      for (const task of Object.keys(said)) watched.saw(task, rows.count, said[task]);
      return { count: rows.count, outputs: some.map((output) => ({ ...output, data: dataOf(output, said, raw) })) };
    },
    hold: () => {
      holders++;
      return () => {
        if (--holders === 0) released?.();
      };
    },
    warm: async () => {
      const own = inputsOf(spec.input); // what the past would add is blank too
      const columns = own.map((input) => ({ values: [blank(input)], pointer: () => "" }));
      await model.predict(encoder(spec.input, own).alone(askedRows(own, columns, "")));
    },
    answered: watched.answered,
    end: async () => {
      if (holders > 0) await new Promise<void>((resolve) => released = resolve);
      watched.forget();
      if (isOwn) model.dispose();
    },
  };
}

/** Returns a function that returns the outputs of a model: they depend on its calibration, which training ends. */
function outputsOf({ spec, evaluation }: Plan, calibration: () => Calibration | undefined): () => readonly Output[] {
  const tasks = Object.entries(spec.tasks).map(([name, { head }]): Output => {
    const [, width] = heads[head.kind].shape(head.units);
    return { name, of: "task", ...(typeof width === "number" && { width }) };
  });
  const gates = Object.entries(evaluation.gates).map(([gate, { shape }]): Output => {
    return { name: `gates/${gate}`, of: "gate", width: shape[1] as number };
  });
  const listed = (maps: Calibration["tasks"]): readonly Output[] => {
    const isCalibrated = ({ name }: Output) => Object.hasOwn(maps, name);
    return [
      ...tasks.map((task) => isCalibrated(task) ? { ...task, isCalibrated: true } as const : task),
      ...tasks.filter(isCalibrated).map((task) => ({ ...task, name: `raw/${task.name}`, of: "raw" } as const)),
      ...gates,
    ];
  };
  let known = { of: calibration(), outputs: listed(calibration()?.tasks ?? {}) };
  return () => {
    const of = calibration();
    if (of !== known.of) known = { of, outputs: listed(of?.tasks ?? {}) };
    return known.outputs;
  };
}

function isTask(output: Output): boolean {
  return output.of === "task";
}

/**
 * Returns the output of a name.
 *
 * @throws {Refusal} 400 if there is none.
 */
function outputNamed(name: string, outputs: readonly Output[]): Output {
  const output = outputs.find((output) => output.name === name);
  if (output !== undefined) return output;
  const known = outputs.map(({ name }) => name);
  throw new Refusal(400, `Cannot read the request: the model has no output ${quoted(name)}${advice(name, known)}`);
}

/** Returns the numbers of an output: those of tasks as callers get them, all else as the model computes it. */
function dataOf({ name, of }: Output, said: Answer["predictions"], raw: Answer): Float32Array {
  if (of === "task") return said[name];
  return of === "raw" ? raw.predictions[name.slice("raw/".length)] : raw.gates[name.slice("gates/".length)];
}

/** Returns a value that any model reads. */
function blank({ holds, lists, width }: Input): unknown {
  if (width !== undefined) return Array(width).fill(0);
  if (lists) return null;
  return holds === "number" ? 0 : null;
}

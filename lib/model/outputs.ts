import { type Rows, sliceRows } from "../data/rows.ts";
import { quoted } from "../errors/quoted.ts";
import type { InputSpec } from "../features/input.ts";
import { areFinite } from "../ops/finite.ts";
import type { Tensor } from "../ops/tensor.ts";
import { checkRows } from "./check_rows.ts";
import { inputTensors, mostRows, namesRead } from "./feed.ts";
import { prediction } from "./graphs.ts";
import type { Insides } from "./insides.ts";
import { checkInside } from "./overflow.ts";

/**
 * Returns the outputs for rows: predictions by task and, if asked for, gate weights as `gates/<level>/<stream>`.
 *
 * @param insides Returns the insides of the model, which may be disposed between two pieces.
 * @throws {TypeError | RangeError} if rows do not fit the model, or a number beyond float32 leads to a prediction.
 */
export async function outputsFor(insides: () => Insides, rows: Rows, gates: boolean): Promise<Outputs> {
  const kept = insides();
  const { plan, programOf } = kept;
  const tasks = Object.keys(plan.spec.tasks);
  checkRows(plan.spec, rows);
  const name = gates ? "inspect" : "predict";
  const { graph, program } = programOf(name, () => {
    const graph = prediction(plan, gates);
    if (namesRead(graph).size > 0) return graph;
    const why = "no task reads the rows in evaluation, so that nothing has their number";
    throw new TypeError(`Cannot predict: ${why}: wanted a tower or an expert that computes with its argument`);
  });
  const outputs = await inPieces((tensors) => program.run(insides().fed(graph, tensors)), rows, plan.spec.input);
  await checkInside("Cannot predict", kept, [name, graph], rows); // first: what numbers beyond float32 become differs
  checkPredictions(pick(outputs, tasks), rows.count);
  return outputs;
}

type Outputs = Readonly<Record<string, Float32Array>>;

/** Runs rows in pieces, and joins the outputs. */
async function inPieces(
  run: (tensors: Readonly<Record<string, Tensor>>) => Promise<Readonly<Record<string, Tensor>>>,
  rows: Rows,
  input: InputSpec,
): Promise<Record<string, Float32Array>> {
  const joined = new Map<string, Float32Array>();
  for (let start = 0; start < rows.count; start += mostRows) {
    const count = Math.min(mostRows, rows.count - start);
    const outputs = await run(inputTensors(sliceRows(rows, start, count), input));
    for (const [name, { data }] of Object.entries(outputs)) {
      const width = data.length / count;
      const whole = joined.get(name) ?? new Float32Array(rows.count * width);
      joined.set(name, whole);
      whole.set(data, start * width);
    }
  }
  return Object.fromEntries(joined);
}

/** Returns the outputs of some names; empty ones if no rows were run. */
export function pick<Names extends string>(
  values: Readonly<Record<string, Float32Array>>,
  names: readonly Names[],
): Record<Names, Float32Array> {
  const entries = names.map((name) => [name, Object.hasOwn(values, name) ? values[name] : new Float32Array()]);
  return Object.fromEntries(entries);
}

/** Makes sure that predictions are finite. */
function checkPredictions(predictions: Readonly<Record<string, Float32Array>>, rows: number): void {
  for (const [task, numbers] of Object.entries(predictions)) {
    if (areFinite(numbers)) continue;
    const at = numbers.findIndex((number) => !Number.isFinite(number));
    const row = Math.floor(at / (numbers.length / rows));
    throw new RangeError(`Cannot predict\n  at row ${row}, task ${quoted(task)}: ${unbounded(numbers[at])}`);
  }
}

function unbounded(found: number): string {
  if (Number.isNaN(found)) return "the prediction is NaN";
  const advised = "the row's inputs are too large for the model, or its parameters are; other rows can be predicted";
  return `the prediction is ${found}, wanted a finite float32: ${advised}`;
}

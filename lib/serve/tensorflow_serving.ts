import { isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { json, jsonOf } from "./body.ts";
import { type AskedColumn, inOrder, type Input } from "./inputs.ts";
import { misread, pointerStep } from "./refusal.ts";
import type { Asked, Found, Output, Served } from "./served.ts";

/** A request of TensorFlow Serving's `:predict`. */
export interface PredictRequest extends Omit<Asked, "until"> {
  /** True if the rows came one by one, as `instances`: so does the answer. */
  readonly byRow: boolean;
}

/** Returns the state of a model, as `GET /v1/models/NAME` gives it. */
export function statusOf(versions: readonly Served[]): Record<string, unknown> {
  return {
    model_version_status: versions.map(({ version }) => ({
      version,
      state: "AVAILABLE",
      status: { error_code: "OK", error_message: "" },
    })),
  };
}

/** The signature that has the tasks as outputs. */
const allTasks = "serving_default";

/**
 * Returns the description of a model, as `GET /v1/models/NAME/metadata` gives it: `serving_default` has its tasks, and
 * each output is a signature of its own.
 */
export function signaturesOf({ name, version, inputs, outputs }: Served): Record<string, unknown> {
  const read = Object.fromEntries(inputs.map(({ name, holds, lists, width }) => {
    const sizes = width !== undefined ? [-1, width] : lists ? [-1, -1] : [-1];
    return [name, tensorInfo(name, holds === "number" ? "DT_FLOAT" : "DT_STRING", sizes)];
  }));
  const signature = (some: readonly Output[]) => ({
    inputs: read,
    outputs: Object.fromEntries(some.map(({ name, width }) => {
      return [name, tensorInfo(name, "DT_FLOAT", width === undefined ? [-1] : [-1, width])];
    })),
    method_name: "tensorflow/serving/predict",
  });
  const signatures = {
    ...Object.fromEntries(outputs.map((output) => [output.name, signature([output])])),
    [allTasks]: signature(outputs.filter(({ of }) => of === "task")),
  };
  return {
    model_spec: { name, signature_name: "", version },
    metadata: { signature_def: { signature_def: signatures } },
  };
}

/** Returns the description of a tensor as TensorFlow's protocol buffers have it in JSON: whole numbers are texts. */
function tensorInfo(name: string, dtype: string, sizes: readonly number[]): Record<string, unknown> {
  return {
    name,
    dtype,
    tensor_shape: { dim: sizes.map((size) => ({ size: `${size}`, name: "" })), unknown_rank: false },
  };
}

/**
 * Reads a request: `{ "instances": [{ "age": 30 }, ...] }` row by row, or `{ "inputs": { "age": [30, ...] } }` column by
 * column. A model of one input takes the values without its name. What a row lacks is missing. `signature_name` may be an
 * output, which alone is wanted then; `output_filter`, as in TensorFlow Serving's protocol buffers, lists some.
 *
 * @throws {Refusal} if it is wrong, with the JSON pointer of what is.
 */
export function readPredict(bytes: Uint8Array, { inputs, outputs: known, plainRows }: Served): PredictRequest {
  const plain = plainRows(bytes);
  if (plain !== undefined) return { columns: pointed(plain, inputs), at: "/instances", byRow: true };
  const body = jsonOf(bytes);
  if (!isRecord(body)) throw misread("", `wanted an object with "instances" or "inputs", found ${kindOf(body)}`);
  const { instances, inputs: columns } = body;
  if ((instances === undefined) === (columns === undefined)) {
    throw misread("", `wanted "instances" or "inputs", found ${instances === undefined ? "neither" : "both"}`);
  }
  const outputs = outputsIn(body, known);
  return instances !== undefined
    ? { columns: columnsOfRows(instances, inputs), at: "/instances", byRow: true, outputs }
    : { columns: columnsIn(columns, inputs), at: "/inputs", byRow: false, outputs };
}

/** Returns the names of the outputs that a request wants; undefined: the tasks. */
function outputsIn(
  { signature_name: signature = allTasks, output_filter: filter = [] }: Readonly<Record<string, unknown>>,
  outputs: readonly Output[],
): readonly string[] | undefined {
  const known = outputs.map(({ name }) => name);
  if (signature !== allTasks && !known.some((name) => name === signature)) {
    throw misread("/signature_name", noOutput(signature, `${quoted(allTasks)} or an output`, [allTasks, ...known]));
  }
  if (!Array.isArray(filter)) throw misread("/output_filter", `wanted a list of outputs, found ${kindOf(filter)}`);
  const own = signature === allTasks ? known : [signature];
  const strange = filter.findIndex((name) => !own.includes(name));
  if (strange >= 0) {
    throw misread(`/output_filter/${strange}`, noOutput(filter[strange], "an output", own as string[]));
  }
  if (filter.length > 0) return [...new Set(filter as string[])];
  return signature === allTasks ? undefined : [signature as string];
}

/** Returns the words on a name that no output has: the nearest one, or those that there are. */
function noOutput(found: unknown, wanted: string, names: readonly string[]): string {
  const near = typeof found === "string" ? advice(found, names) : "";
  return `found ${kindOf(found)}${near.startsWith(": wanted") ? near : `, wanted ${wanted}${near}`}`;
}

function columnsOfRows(instances: unknown, inputs: readonly Input[]): readonly AskedColumn[] {
  if (!Array.isArray(instances)) throw misread("/instances", `wanted a list of rows, found ${kindOf(instances)}`);
  const columns = inputs.map(() => Array<unknown>(instances.length).fill(null));
  let keys: readonly string[] = []; // those of the row before: most often all rows have the same
  let places: readonly number[] = [];
  for (let at = 0; at < instances.length; at++) {
    const row: unknown = instances[at];
    if (!isRecord(row)) {
      if (inputs.length !== 1) {
        throw misread(`/instances/${at}`, `wanted an object of values by name, found ${kindOf(row)}`);
      }
      columns[0][at] = row;
      continue;
    }
    const [given, values] = [Object.keys(row), Object.values(row)];
    if (given.length !== keys.length || given.some((key, place) => key !== keys[place])) {
      [keys, places] = [given, placesOf(given, inputs, at)];
    }
    for (let place = 0; place < places.length; place++) columns[places[place]][at] = values[place];
  }
  return pointed(columns, inputs);
}

/** Returns the columns of rows with the pointers of their values. */
function pointed(columns: readonly (readonly unknown[])[], inputs: readonly Input[]): readonly AskedColumn[] {
  const pointers = pointersOf(inputs);
  return columns.map((values, place) => ({ values, pointer: pointers[place] }));
}

/** Returns the places of the inputs that a row's keys name; most often they are in the order of the inputs. */
function placesOf(keys: readonly string[], inputs: readonly Input[], row: number): readonly number[] {
  return keys.map((name, at) => {
    const place = inputs[at]?.name === name ? at : inputs.findIndex((input) => input.name === name);
    if (place >= 0) return place;
    const near = advice(name, inputs.map(({ name }) => name));
    throw misread(`/instances/${row}${pointerStep(name)}`, `the model has no input ${quoted(name)}${near}`);
  });
}

/** Returns for each input the pointer of its value in a row, as all requests have it. */
function pointersOf(inputs: readonly Input[]): readonly AskedColumn["pointer"][] {
  const known = pointers.get(inputs);
  if (known !== undefined) return known;
  const found = inputs.map(({ name }) => (row: number) => `/instances/${row}${pointerStep(name)}`);
  pointers.set(inputs, found);
  return found;
}

const pointers = new WeakMap<readonly Input[], readonly AskedColumn["pointer"][]>();

function columnsIn(given: unknown, inputs: readonly Input[]): readonly AskedColumn[] {
  const only = inputs.length === 1 ? inputs[0].name : undefined;
  const named = isRecord(given) ? given : only === undefined ? undefined : { [only]: given };
  if (named === undefined) throw misread("/inputs", `wanted an object of columns by name, found ${kindOf(given)}`);
  const columns = Object.entries(named).map(([name, column]): [string, AskedColumn] => {
    const at = isRecord(given) ? `/inputs${pointerStep(name)}` : "/inputs";
    const values = Array.isArray(column) ? column : [column];
    return [name, { values, pointer: Array.isArray(column) ? (row: number) => `${at}/${row}` : () => at }];
  });
  return inOrder(inputs, new Map(columns), "/inputs");
}

/** Returns the answer: by row or by column, as the request came; of one output the numbers alone. */
export function predictResponse({ byRow }: PredictRequest, { count, outputs }: Found): Response {
  const columns = outputs.map((output) => [output.name, valuesOf(output, count)] as const);
  const only = columns.length === 1 ? columns[0][1] : undefined;
  const byColumn = () => Object.fromEntries(columns);
  return json(byRow ? { predictions: only ?? rowsOf(columns, count) } : { outputs: only ?? byColumn() });
}

/** Returns the numbers of each row of an output: one, or a list. */
function valuesOf({ width, data }: Found["outputs"][number], count: number): readonly unknown[] {
  const values = Array<unknown>(count);
  for (let row = 0; row < count; row++) {
    values[row] = width === undefined ? data[row] : Array.from(data.subarray(row * width, (row + 1) * width));
  }
  return values;
}

/** Returns an object of values by name for each row: copies of one, which are made much faster than one of entries. */
function rowsOf(columns: readonly (readonly [string, readonly unknown[]])[], count: number): unknown[] {
  const names = Object.fromEntries(columns.map(([name]) => [name, undefined as unknown]));
  const rows = Array<unknown>(count);
  for (let at = 0; at < count; at++) {
    const row = { ...names };
    for (let place = 0; place < columns.length; place++) row[columns[place][0]] = columns[place][1][at];
    rows[at] = row;
  }
  return rows;
}

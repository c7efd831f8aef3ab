import { isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { jsonOf } from "./body.ts";
import type { AskedColumn, Input } from "./inputs.ts";
import { misread, pointerStep } from "./refusal.ts";
import type { Asked, Found, Served } from "./served.ts";

/** A request of TensorFlow Serving's `:predict`. */
export interface PredictRequest extends Pick<Asked, "columns" | "at"> {
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

/**
 * Reads a request: `{ "instances": [{ "age": 30 }, ...] }` row by row, or `{ "inputs": { "age": [30, ...] } }` column by
 * column. A model of one input takes the values without its name. What a row lacks is missing.
 *
 * @throws {Refusal} if it is wrong, with the JSON pointer of what is.
 */
export function readPredict(bytes: Uint8Array, inputs: readonly Input[]): PredictRequest {
  const body = jsonOf(bytes);
  if (!isRecord(body)) throw misread("", `wanted an object with "instances" or "inputs", found ${kindOf(body)}`);
  const { signature_name: signature = "serving_default", instances, inputs: columns } = body;
  if (signature !== "serving_default") {
    throw misread("/signature_name", `found ${kindOf(signature)}, wanted "serving_default" or none`);
  }
  if ((instances === undefined) === (columns === undefined)) {
    throw misread("", `wanted "instances" or "inputs", found ${instances === undefined ? "neither" : "both"}`);
  }
  return instances !== undefined
    ? { columns: columnsOfRows(instances, inputs), at: "/instances", byRow: true }
    : { columns: columnsIn(columns, inputs), at: "/inputs", byRow: false };
}

function columnsOfRows(instances: unknown, inputs: readonly Input[]): ReadonlyMap<string, AskedColumn> {
  if (!Array.isArray(instances)) throw misread("/instances", `wanted a list of rows, found ${kindOf(instances)}`);
  const names = inputs.map(({ name }) => name);
  const values = new Map(names.map((name) => [name, Array<unknown>(instances.length).fill(null)]));
  const columns = [...values];
  instances.forEach((row, at) => {
    if (!isRecord(row)) {
      if (names.length === 1) return columns[0][1][at] = row;
      throw misread(`/instances/${at}`, `wanted an object of values by name, found ${kindOf(row)}`);
    }
    let found = 0;
    for (const [name, column] of columns) {
      if (!Object.hasOwn(row, name)) continue;
      column[at] = row[name];
      found++;
    }
    const given = Object.keys(row);
    if (given.length === found) return;
    const name = given.find((name) => !values.has(name))!;
    throw misread(
      `/instances/${at}${pointerStep(name)}`,
      `the model has no input ${quoted(name)}${advice(name, names)}`,
    );
  });
  const pointerOf = (name: string) => (row: number) => `/instances/${row}${pointerStep(name)}`;
  return new Map([...values].map(([name, values]) => [name, { values, pointer: pointerOf(name) }]));
}

function columnsIn(given: unknown, inputs: readonly Input[]): ReadonlyMap<string, AskedColumn> {
  const only = inputs.length === 1 ? inputs[0].name : undefined;
  const named = isRecord(given) ? given : only === undefined ? undefined : { [only]: given };
  if (named === undefined) throw misread("/inputs", `wanted an object of columns by name, found ${kindOf(given)}`);
  return new Map(
    Object.entries(named).map(([name, column]) => {
      const at = isRecord(given) ? `/inputs${pointerStep(name)}` : "/inputs";
      const values = Array.isArray(column) ? column : [column];
      return [name, { values, pointer: Array.isArray(column) ? (row: number) => `${at}/${row}` : () => at }];
    }),
  );
}

/** Returns the answer: by row or by column, as the request came; of one output the numbers alone. */
export function predictResponse({ byRow }: PredictRequest, { count, outputs }: Found): Response {
  const columns = outputs.map(({ name, width, data }): readonly [string, readonly unknown[]] => [
    name,
    Array.from(
      { length: count },
      (_, row) => width === undefined ? data[row] : Array.from(data.subarray(row * width, (row + 1) * width)),
    ),
  ]);
  const only = columns.length === 1 ? columns[0][1] : undefined;
  const body = byRow
    ? {
      predictions: only ?? Array.from({ length: count }, (_, row) =>
        Object.fromEntries(columns.map(([name, values]) => [name, values[row]]))),
    }
    : { outputs: only ?? Object.fromEntries(columns) };
  return Response.json(body);
}

/**
 * The census model as a GraphModel of TensorFlow.js behind a plain `Deno.serve`: rows are encoded by maps, nothing is checked,
 * batched or counted. Arguments: FOLDER FEATURES.json PORT.
 */
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { folderHandler } from "../../examples/folder_handler.ts";
import type { Features } from "../../mod.ts";

const [folder, file, port] = Deno.args;
setWasmPaths(decodeURIComponent(new URL(".", import.meta.resolve("@tensorflow/tfjs-backend-wasm")).pathname));
await tf.setBackend("wasm");
const model = await tf.loadGraphModel(folderHandler(folder));
const features = Object.entries(JSON.parse(await Deno.readTextFile(file)) as Features);
const numbers = features.flatMap(([name, of]) => of.kind === "numeric" ? [{ name, ...of }] : []);
const words = features.flatMap(([name, of]) => {
  if (of.kind !== "category") return [];
  const first = of.missing === "unknown" ? 1 : 2;
  return [{ name, unknown: first - 1, codes: new Map(of.words.map((word, at) => [word, first + at])) }];
});

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, async (request) => {
  const { instances, inputs: columns }: Partial<Asked> = await request.json();
  const inputs = instances !== undefined ? ofRows(instances) : ofColumns(columns!);
  const outputs = model.predict(inputs) as tf.NamedTensorMap;
  const found = await Promise.all(
    Object.entries(outputs).map(async ([task, one]) => [task, await one.data()] as const),
  );
  tf.dispose([inputs, outputs]);
  return Response.json(
    instances === undefined ? { outputs: Object.fromEntries(found.map(([task, data]) => [task, [...data]])) } : {
      predictions: instances.map((_, row) => Object.fromEntries(found.map(([task, data]) => [task, data[row]]))),
    },
  );
});

/** What a request has one of: rows, or columns, of which some have one value for all rows. */
interface Asked {
  readonly instances: readonly Readonly<Record<string, unknown>>[];
  readonly inputs: Readonly<Record<string, unknown>>;
}

function ofRows(rows: Asked["instances"]): tf.NamedTensorMap {
  const numeric = rows.map((row) => numbers.map((of) => scaled(of, row[of.name])));
  const category = rows.map((row) =>
    words.map(({ name, codes, unknown }) => codes.get(row[name] as string) ?? unknown)
  );
  return { numeric: tf.tensor2d(numeric), category: tf.tensor2d(category, undefined, "int32") };
}

function ofColumns(columns: Asked["inputs"]): tf.NamedTensorMap {
  const count = Math.max(...Object.values(columns).map((column) => Array.isArray(column) ? column.length : 1));
  const numeric = new Float32Array(count * numbers.length);
  numbers.forEach((of, at) => fill(numeric, numbers.length, at, columns[of.name], (value) => scaled(of, value)));
  const category = new Int32Array(count * words.length);
  words.forEach(({ name, codes, unknown }, at) => {
    fill(category, words.length, at, columns[name], (value) => codes.get(value as string) ?? unknown);
  });
  return {
    numeric: tf.tensor2d(numeric, [count, numbers.length]),
    category: tf.tensor2d(category, [count, words.length], "int32"),
  };
}

/** Writes a column of a matrix: of one value for all rows, or of a value for each. */
function fill(
  to: Float32Array | Int32Array,
  width: number,
  at: number,
  column: unknown,
  of: (value: unknown) => number,
): void {
  const only = Array.isArray(column) ? undefined : of(column);
  for (let row = 0; row < to.length / width; row++) to[row * width + at] = only ?? of((column as unknown[])[row]);
}

function scaled({ transform, mean, scale }: typeof numbers[number], value: unknown): number {
  return ((transform === "log1p" ? Math.log1p(value as number) : value as number) - mean) / scale;
}

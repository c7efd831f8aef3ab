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
  const { instances }: { readonly instances: readonly Record<string, unknown>[] } = await request.json();
  const numeric = instances.map((row) =>
    numbers.map(({ name, transform, mean, scale }) => {
      const value = row[name] as number;
      return ((transform === "log1p" ? Math.log1p(value) : value) - mean) / scale;
    })
  );
  const category = instances.map((row) =>
    words.map(({ name, codes, unknown }) => codes.get(row[name] as string) ?? unknown)
  );
  const inputs = { numeric: tf.tensor2d(numeric), category: tf.tensor2d(category, undefined, "int32") };
  const outputs = model.predict(inputs) as tf.NamedTensorMap;
  const found = await Promise.all(
    Object.entries(outputs).map(async ([task, one]) => [task, await one.data()] as const),
  );
  tf.dispose([inputs, outputs]);
  return Response.json({
    predictions: instances.map((_, row) => Object.fromEntries(found.map(([task, data]) => [task, data[row]]))),
  });
});

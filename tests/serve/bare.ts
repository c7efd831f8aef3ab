/** A server around `encode` and `predict` alone, to compare with: no check, no batch, no count. Arguments: FOLDER PORT. */
import { encode, featuresOf, load } from "../../mod.ts";

const [folder, port] = Deno.args;
const model = await load(folder);
const features = featuresOf(model.spec);
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, async (request) => {
  const { instances, inputs } = await request.json();
  const columns = inputs === undefined ? byName(instances) : longest(inputs);
  const predictions: Record<string, Float32Array> = await model.predict(encode(features, columns));
  const tasks = Object.entries(predictions);
  if (inputs !== undefined) {
    return Response.json({ outputs: Object.fromEntries(tasks.map(([task, data]) => [task, [...data]])) });
  }
  return Response.json({
    predictions: instances.map((_: unknown, row: number) =>
      Object.fromEntries(tasks.map(([task, data]) => [task, data[row]]))
    ),
  });
});

/** Returns the columns of rows. */
function byName(rows: readonly Record<string, string>[]): Record<string, string[]> {
  return Object.fromEntries(Object.keys(features).map((name) => [name, rows.map((row) => row[name])]));
}

/** Returns columns with those of one value repeated. */
function longest(columns: Record<string, string | string[]>): Record<string, string[]> {
  const count = Math.max(...Object.values(columns).map((column) => Array.isArray(column) ? column.length : 1));
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, Array.isArray(column) ? column : Array(count).fill(column)]),
  );
}

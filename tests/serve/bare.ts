/** A server around `encode` and `predict` alone, to compare with: no check, no batch, no count. Arguments: FOLDER PORT. */
import { encode, featuresOf, load } from "../../mod.ts";

const [folder, port] = Deno.args;
const model = await load(folder);
const features = featuresOf(model.spec);
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, async (request) => {
  const { instances } = await request.json();
  const columns = Object.fromEntries(
    Object.keys(features).map((name) => [name, instances.map((row: Record<string, string>) => row[name])]),
  );
  const predictions: Record<string, Float32Array> = await model.predict(encode(features, columns));
  const tasks = Object.entries(predictions);
  return Response.json({
    predictions: instances.map((_: unknown, row: number) =>
      Object.fromEntries(tasks.map(([task, data]) => [task, data[row]]))
    ),
  });
});

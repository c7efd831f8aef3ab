import * as tf from "@tensorflow/tfjs";
import { start } from "../lib/engines/onnx/runtime.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { cpu } from "../mod.ts";

/** Inputs of a model by name, `[rows, width]` each, row-major. */
export type Inputs = Readonly<Record<string, Tensor["data"]>>;

/** Returns the predictions of the one task of a saved GraphModel, by TensorFlow.js alone. */
export async function graphModelOutputs(folder: string, inputs: Inputs, rows: number): Promise<ArrayLike<number>> {
  await cpu(); // registers the backend
  await tf.setBackend("cpu");
  const json = JSON.parse(await Deno.readTextFile(`${folder}/model.json`));
  const [{ paths, weights: weightSpecs }] = json.weightsManifest;
  const parts = await Promise.all(paths.map((path: string) => Deno.readFile(`${folder}/${path}`)));
  const weightData = await new Blob(parts).arrayBuffer();
  const loaded = await tf.loadGraphModel({ load: () => Promise.resolve({ ...json, weightSpecs, weightData }) });
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, data]) => [
      name,
      tf.tensor(data as Int32Array, [rows, data.length / rows], data instanceof Int32Array ? "int32" : "float32"),
    ]),
  );
  const found = loaded.predict(given) as tf.Tensor | tf.NamedTensorMap;
  const click = (found instanceof tf.Tensor ? found : found.click).dataSync();
  tf.dispose([given, found]);
  loaded.dispose();
  return click;
}

/** Returns the predictions of the task `click` of an ONNX file, by ONNX Runtime alone. */
export async function onnxOutputs(path: string, inputs: Inputs, rows: number): Promise<ArrayLike<number>> {
  const names = Object.keys(inputs);
  const session = (await start(1))(await Deno.readFile(path), { inputs: names, outputs: ["click"], plan: false });
  const click = new Float32Array(rows);
  const given = names.map((name) => ({ shape: [rows, inputs[name].length / rows], data: inputs[name] as never }));
  session.run(given, [{ shape: [rows], data: click }]);
  session.dispose();
  return click;
}

/**
 * A custom expert and gate: trained, saved, loaded, and served as a GraphModel that needs TensorFlow.js alone.
 */
import * as tf from "@tensorflow/tfjs";
import {
  bank,
  binary,
  compile,
  define,
  dense,
  describe,
  evaluate,
  type Gate,
  layer,
  level,
  load,
  mix,
  type Net,
  pipe,
  progressBar,
  relu,
  rows,
  save,
  saveGraphModel,
} from "@gatehouse/gatehouse";
import { add, matmul, mul, softmax as softmaxOf } from "@gatehouse/gatehouse/ops";
import { random } from "@gatehouse/gatehouse/datasets";
import { commandLine, run } from "./cli.ts";
import { digestOf, digestOfAll } from "./digest.ts";
import { engineOf } from "./engine.ts";
import { folderHandler } from "./folder_handler.ts";
import { keptAs, taken, trainingOptions } from "./resumable.ts";
import { makeFolder } from "./make_folder.ts";

// An expert that multiplies its input by a score of it (a cross layer, Wang et al. 2017), and then narrows it.
const cross: Net = (x) => add(mul(x, dense(1)(x)), x);
const expert = pipe(cross, cross, dense(8), relu);

// A gate with a hidden layer, written with a parameter of its own; the last layer has no bias, as in the paper.
const deep: Gate = (x, experts) => {
  const hidden = layer((parameter, x) => relu(matmul(x, parameter("hidden", [4, 16], { kind: "heNormal" }))));
  return softmaxOf(dense(experts, { bias: false })(hidden(x)));
};

const spec = define({
  input: 4,
  levels: [level(
    { crossed: bank(3, expert), plain: bank(1, pipe(dense(8), relu)) },
    { click: mix(["crossed", "plain"], deep), like: mix(["crossed", "plain"], deep) },
  )],
  tasks: { click: binary(), like: binary() },
});

const command = commandLine(
  "custom",
  "Trains, saves, loads and serves a model with a custom expert and gate.",
  {
    epochs: { kind: "number", help: "passes over the rows", default: 20, from: 1, whole: true },
    out: { kind: "path", help: "the folder of the saved and the served model", default: "out/custom" },
    ...trainingOptions,
  },
  "--epochs 5",
);

await run(command, async ({ epochs, out, seed, engine: name }, { say, record, signal, keeping }) => {
  await makeFolder(out, "save model"); // before the training, not after
  const source = random(seed);
  const x = Array.from({ length: 4000 }, () => [0, 1, 2, 3].map(() => source.normal()));
  const labels = { click: x.map(([a, b]) => a * b > 0), like: x.map(([a, b, c, d]) => a + b > c * d) };
  const [data, held] = [0, 1].map((half) => {
    const part = <T>(list: readonly T[]) => list.slice(half * 3000, half === 0 ? 3000 : undefined);
    return rows(part(x), { labels: { click: part(labels.click), like: part(labels.like) } });
  });
  say(describe(spec));

  const engine = await engineOf(name);
  const model = await compile(spec, { engine, seed });
  const progress = progressBar("custom");
  for await (const at of taken(model, data, { epochs, batch: 64, signal }, keptAs("custom", keeping))) {
    progress.update({ ...at, epochs });
  }
  progress.end(signal.aborted ? "stopped" : "done");

  await save(model, `${out}/saved`);
  await saveGraphModel(model, `${out}/served`);
  const loaded = await load(`${out}/saved`, { engine });
  const served = await tf.loadGraphModel(folderHandler(`${out}/served`));

  const here = await loaded.predict(held);
  const input = tf.tensor2d(held.inputs.input, [held.count, 4]);
  const there = served.predict({ input }) as tf.NamedTensorMap;
  const { metrics } = await evaluate(loaded, held);
  for (const task of ["click", "like"] as const) {
    const numbers = await there[task].data();
    const apart = here[task].reduce((most, number, row) => Math.max(most, Math.abs(number - numbers[row])), 0);
    say(`${task}: AUC ${metrics[task].auc.toFixed(4)}; the served model is at most ${apart.toExponential(1)} apart`);
    record({ model: "custom", task, auc: metrics[task].auc, apart, seed });
  }
  say(`Saved in ${out}/saved, served from ${out}/served`);
  if (!signal.aborted) record({ sha256: digestOfAll([["custom", await digestOf(model)]]) });
  tf.dispose([input, there]);
  served.dispose();
  loaded.dispose();
  model.dispose();
});

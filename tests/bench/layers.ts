import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import type { Rows } from "../../mod.ts";
import type { InputSpec, Tensor } from "../../lib/graph.ts";
import { sliceRows } from "../../lib/data/rows.ts";
import { categoryKind } from "../../lib/features/category.ts";
import { inputWidth } from "../../lib/features/input.ts";
import type { Loaded } from "./cases.ts";
import { timesOf } from "./measure.ts";

/** A case as a model of tf.layers. */
export interface Layers {
  /** Training steps by `trainOnBatch` on tensors that are on the backend already. */
  train(count: number): Promise<readonly number[]>;
  /** Predictions by `predictOnBatch` of such tensors, probabilities read. */
  predict(count: number): Promise<readonly number[]>;
  /** The total loss of every step so far. */
  readonly losses: readonly number[];
  /** Frees the model. */
  close(): void;
}

/** The form of the experts of a bank: a layer each, or one wide layer for all, where they have one layer. */
export type Form = "loop" | "wide";

/**
 * A case as its users write it with tf.layers: dense layers, gates without bias, and a layer that sums experts by
 * weights (keras-mmoe, https://github.com/drawbridge/keras-mmoe, computes its experts as one wide product: `wide`).
 * Sigmoid cross-entropy on logits, Adam. One-hot inputs are encoded beforehand.
 *
 * @param parameters Those of our model, so that both begin with the same numbers.
 */
export async function layers(
  of: Loaded,
  form: Form,
  backend: string,
  parameters: Readonly<Record<string, Tensor>>,
): Promise<Layers> {
  tf.env().set("PROD", true);
  await tf.setBackend(backend);
  const model = modelOf(of, form, parameters);
  const some = sliceRows(of.rows, 0, of.batch);
  const { input, width } = denseOf(of.spec.input, some);
  const x = tf.tensor2d(input, [of.batch, width]);
  const y = Object.keys(of.spec.tasks).map((task) => tf.tensor2d(Float32Array.from(some.labels![task]), [of.batch, 1]));
  const losses: number[] = [];
  return {
    train: (count) =>
      timesOf(count, async () => {
        const found = await model.trainOnBatch(x, y);
        losses.push(Array.isArray(found) ? found[0] : found);
      }),
    predict: (count) =>
      timesOf(count, async () => {
        const found = tf.tidy(() => [model.predictOnBatch(x)].flat().map((logits) => tf.sigmoid(logits)));
        await Promise.all(found.map((tensor) => tensor.data()));
        tf.dispose(found);
      }),
    losses,
    close: () => {
      model.dispose();
      model.optimizer.dispose();
      tf.dispose([x, ...y]);
    },
  };
}

function modelOf(
  { spec, experts, units, tower }: Loaded,
  form: Form,
  parameters: Readonly<Record<string, Tensor>>,
): tf.LayersModel {
  const weightsOf = (path: string) =>
    ["kernel", "bias"].filter((name) => `${path}/${name}` in parameters).map((name) => {
      const { data, shape } = parameters[`${path}/${name}`];
      return tf.tensor(data, [...shape]);
    });
  const dense = (x: tf.SymbolicTensor, units: number, weights: tf.Tensor[], activation?: "relu" | "softmax") =>
    tf.layers.dense({ units, activation, useBias: weights.length > 1, weights }).apply(x) as tf.SymbolicTensor;
  const shaped = (x: tf.SymbolicTensor, targetShape: number[]) =>
    tf.layers.reshape({ targetShape }).apply(x) as tf.SymbolicTensor;
  const last = units[units.length - 1];

  const x = tf.input({ shape: [inputWidth(spec.input)] });
  const expert = (at: number) =>
    units.reduce(
      (value, width, layer) => dense(value, width, weightsOf(`levels/0/experts/shared/${at}/${layer}`), "relu"),
      x,
    );
  const all = Array.from({ length: experts }, (_, at) => at);
  const wide = () => {
    const parts = all.map((at) => weightsOf(`levels/0/experts/shared/${at}/0`));
    const weights = [tf.concat(parts.map(([kernel]) => kernel), 1), tf.concat(parts.map(([, bias]) => bias))];
    return shaped(dense(x, experts * last, weights, "relu"), [experts, last]);
  };
  const loop = () =>
    tf.layers.concatenate({ axis: 1 }).apply(all.map((at) => shaped(expert(at), [1, last]))) as tf.SymbolicTensor;
  const bank = form === "wide" ? wide() : loop(); // [batch, experts, units]
  const outputs = Object.keys(spec.tasks).map((task) => {
    const gate = shaped(dense(x, experts, weightsOf(`levels/0/gates/${task}/0`), "softmax"), [experts, 1]);
    const mixed = new SumOfExperts().apply(tf.layers.multiply().apply([bank, gate]) as tf.SymbolicTensor);
    const top = dense(mixed as tf.SymbolicTensor, tower, weightsOf(`tasks/${task}/tower/0`), "relu");
    return dense(top, 1, weightsOf(`tasks/${task}/head/0`));
  });
  const model = tf.model({ inputs: x, outputs });
  const loss = (labels: tf.Tensor, logits: tf.Tensor) => tf.losses.sigmoidCrossEntropy(labels, logits);
  model.compile({ optimizer: tf.train.adam(1e-3, 0.9, 0.999, 1e-8), loss });
  return model;
}

/** `[batch, experts, units]` to `[batch, units]`: tf.layers has no such layer, and wants its own to be classes. */
class SumOfExperts extends tf.layers.Layer {
  static className = "SumOfExperts";
  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return [shape[0], shape[2]];
  }
  override call(x: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.sum(Array.isArray(x) ? x[0] : x, 1);
  }
}

/** Rows as one matrix, row-major: numbers standardised, categories one-hot, as the model's first layers see them. */
export function denseOf(
  spec: InputSpec,
  { count, inputs }: Rows,
): { readonly input: Float32Array; readonly width: number } {
  if ("width" in spec) return { input: inputs.input as Float32Array, width: spec.width };
  const features = Object.values(spec.features);
  const numbers = features.filter((feature) => feature.kind === "numeric");
  const categories = features.filter((feature) => feature.kind === "category");
  const width = inputWidth(spec);
  const input = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    let at = row * width;
    numbers.forEach((_, column) => {
      input[at++] = inputs.numeric[row * numbers.length + column];
    });
    categories.forEach((feature, column) => {
      input[at + inputs.category[row * categories.length + column]] = 1;
      at += categoryKind.width(feature);
    });
  }
  return { input, width };
}

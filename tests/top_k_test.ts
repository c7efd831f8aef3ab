import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  adam,
  check,
  compile,
  cpu,
  define,
  type Gate,
  issuesOf,
  level,
  mix,
  pcgrad,
  reference,
  regression,
  rows,
  SpecError,
  topK,
} from "../mod.ts";
import { initialise } from "../lib/graph.ts";
import { type Bank, bank, dense, smoothLoad, softmax, type Spec, type TopKOptions, wasm } from "../mod.ts";
import { reshape, slice } from "../lib/ops.ts";
import { sgd, train, uncertainty } from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { drawn, gated, product, seen, slopeError, softmaxOf } from "./gated.ts";
import { sample } from "./models.ts";

const data = sample(7, 3);
const x = Array.from({ length: data.count }, (_, row) => [...data.inputs.input.subarray(3 * row, 3 * row + 3)]);
const kernel = "levels/0/gates/y/0/kernel";

Deno.test("topK() weighs by the softmax over the k largest logits, as written from its definition", async () => {
  for (const [k, experts] of [[1, 2], [1, 5], [2, 3], [2, 5], [3, 4], [4, 4]]) {
    for (const options of variants(k)) {
      const spec = gated({ y: topK(k, options) }, experts);
      const parameters = drawn(spec, `${k} of ${experts}`);
      for (const training of [true, false]) {
        const { gates, noise } = await seen(spec, data, parameters, { training });
        const z = Object.values(noise).map(({ data }) => data);
        assertEquals(z.length, training && options.noise ? 1 : 0);
        x.forEach((row, at) => {
          const deviations = options.noise ? product(row, parameters["levels/0/gates/y/1/kernel"]).map(softplus) : [];
          const logits = product(row, parameters[kernel]).map((logit, expert) =>
            z.length > 0 ? logit + z[0][at * experts + expert] * deviations[expert] : logit
          );
          const wanted = weightsOf(logits, k, options.normalise ?? k > 1);
          gates["0/y"][at].forEach((weight, expert) => assertAlmostEquals(weight, wanted[expert], 1e-12));
          assertEquals(gates["0/y"][at].filter((weight) => weight !== 0).length, k);
        });
      }
    }
  }
});

Deno.test("topK() of all experts is softmax(), with noise in evaluation too", async () => {
  for (const experts of [2, 3, 8]) {
    const parameters = drawn(gated({ y: softmax }, experts), "softmax");
    const wanted = (await seen(gated({ y: softmax }, experts), data, parameters)).gates["0/y"].flat();
    for (const options of [{}, { noise: true }, { normalise: false }]) {
      const spec = gated({ y: topK(experts, options) }, experts);
      const found = await seen(spec, data, { ...drawn(spec, "noise"), ...parameters }, { training: false });
      found.gates["0/y"].flat().forEach((weight, at) => assertAlmostEquals(weight, wanted[at], 1e-12));
    }
  }
});

Deno.test("topK() takes the experts with lower numbers where logits are equal, on every engine", async () => {
  const spec = gated({ y: topK(2) }, 5);
  const shape = [3, 5];
  const tied: readonly [logits: number[], kept: number[]][] = [
    [[0, 0, 0, 0, 0], [0, 1]],
    [[1, 2, 2, 2, 0], [1, 2]],
    [[0, 1, 0, 1, 1], [1, 3]],
    [[-1, -1, -2, -1, 0], [0, 4]],
  ];
  for (const engine of [reference(), await cpu(), await wasm(), await onnx()]) {
    for (const [logits, kept] of tied) {
      const parameters = {
        ...drawn(spec, "ties"),
        [kernel]: { shape, data: Float32Array.from([...logits, ...Array(10).fill(0)]) },
      };
      const model = await compile(spec, { engine, parameters });
      const { gates } = await model.inspect(rows([[1, 2, 3]]));
      model.dispose();
      const found = [...gates["0/y"]].flatMap((weight, expert) => weight > 0 ? [expert] : []);
      assertEquals(found, kept, `${engine.name}: ${logits}`);
    }
  }
});

Deno.test("topK() has the gradient of its formula, for k = 1 too", async () => {
  for (const [k, experts] of [[1, 3], [2, 4], [3, 3]]) {
    for (const options of variants(k)) {
      const losses: Bank["losses"] = options.noise ? { load: smoothLoad(0.7) } : {};
      const spec = gated({ y: topK(k, options) }, experts, losses);
      assert(await slopeError(spec, data, drawn(spec, `slope ${k} ${experts}`)) < 1e-7);
    }
  }
  const spec = gated({ y: topK(1) }, 3);
  const { gates } = await seen(spec, data, drawn(spec, "one"));
  assert(gates["0/y"].every((row) => row.filter((weight) => weight > 0 && weight < 1).length === 1));
});

Deno.test("topK() with noise returns the chance that fresh noise keeps an expert", async () => {
  for (const [k, experts] of [[1, 2], [2, 4], [3, 4], [3, 3]]) {
    const spec = gated({ y: topK(k, { noise: true }) }, experts, {
      load: ({ load }) => reshape(slice(load, 0, 1), []),
    });
    const parameters = drawn(spec, `load ${k}`);
    const { auxiliary, noise: [[, z]] } = await seen(spec, data, parameters).then((found) => {
      return { ...found, noise: Object.entries(found.noise) };
    });
    const chances = x.map((row, n) => {
      const clean = product(row, parameters[kernel]);
      const deviations = product(row, parameters["levels/0/gates/y/1/kernel"]).map(softplus);
      const noisy = clean.map((logit, expert) => logit + z.data[n * experts + expert] * deviations[expert]);
      const others = noisy.filter((_, expert) => expert !== 0).sort((a, b) => b - a);
      return k === experts ? 1 : cdf((clean[0] - others[k - 1]) / deviations[0]);
    });
    const wanted = chances.reduce((a, b) => a + b) / x.length;
    assertAlmostEquals(auxiliary["levels/0/experts/shared/load"], wanted, 1e-6);
  }
});

Deno.test("topK() refuses what cannot be, with the path and the way out", () => {
  const table = (gate: Gate, experts: number): Spec => gated({ y: gate }, experts);
  const wrong = assertThrows(() => table(topK(3), 2), SpecError);
  assertStringIncludes(
    wrong.message,
    "at levels[0].gates.y: Cannot apply topK: k must be at most the number of experts, 2, found 3",
  );
  assertThrows(() => table(topK(2), 1), SpecError, "k must be at most the number of experts, 1, found 2");
  for (const k of [0, -1, 1.5, NaN]) {
    assertThrows(() => topK(k), RangeError, "Cannot apply topK: k must be a whole number of at least 1, found");
  }
  assertThrows(() => topK(1, { normalise: true }), RangeError, "wanted normalise: false");
  assertThrows(
    () => topK(2, { nois: true } as TopKOptions),
    TypeError,
    'option "nois" is unknown: did you mean "noise"?',
  );
  assertThrows(
    () => topK(2, { noise: 1 } as unknown as TopKOptions),
    TypeError,
    "noise must be true or false, found 1",
  );
  const lost = () =>
    define({
      input: 3,
      levels: [level({ shared: bank(2, dense(2)) }, { y: mix("shared", topK(2), { reads: "positon" }) })],
      tasks: { y: regression() },
    });
  assertThrows(lost, SpecError, 'at levels[0].gates.y.reads: nothing below writes stream "positon"');
});

Deno.test("topK() with balance chooses by a bias that a step moves towards even load of all gates, and by nothing else", async () => {
  const gates = { y: topK(1, { balance: 0.25 }), z: topK(2, { balance: 0.5 }) };
  const spec = gated(gates, 4);
  const labels = { y: Array(7).fill(0), z: Array(7).fill(0) };
  const labelled = rows(x, { labels });
  const parameters = drawn(spec, "even load");
  const float = Object.fromEntries(
    Object.entries(parameters).map(([path, { shape, data }]) => [path, { shape, data: Float32Array.from(data) }]),
  );
  const weightings = [undefined, uncertainty(), pcgrad()];
  for (const engine of [reference(), await onnx()]) {
    for (const weighting of weightings) {
      const model = await compile(spec, { engine, parameters: float });
      const optimiser = adam(0.01, { clipNorm: 1, weightDecay: 0.1 });
      for await (const _ of train(model, labelled, { steps: 1, optimiser, weighting }));
      const after = await model.parameters();
      model.dispose();
      const share = [0, 0, 0, 0];
      for (const [stream, k] of [["y", 1], ["z", 2]] as const) {
        const bias = float[`levels/0/gates/${stream}/1/bias`].data;
        x.forEach((row) => {
          const by = product(row, float[`levels/0/gates/${stream}/0/kernel`]).map((logit, expert) =>
            logit + bias[expert]
          );
          weightsOf(by, k, true).forEach((weight, expert) => share[expert] += weight > 0 ? 1 / k / 14 : 0);
        });
      }
      for (const [stream, step] of [["y", 0.25], ["z", 0.5]] as const) {
        const path = `levels/0/gates/${stream}/1/bias`;
        after[path].data.forEach((number, expert) => {
          const wanted = float[path].data[expert] + step * Math.sign(0.25 - share[expert]);
          assertAlmostEquals(number, wanted, 1e-6);
        });
      }
    }
  }
});

Deno.test("topK() with balance evens out a collapsed gate without a loss", async () => {
  const spec = gated({ y: topK(1, { balance: 0.02 }) }, 3);
  const collapsed = { shape: [3, 3], data: Float32Array.of(0.3, 0, 0, 0, 0.3, 0, 2, 0, 0) };
  const parameters = { ...initialise(spec, 0), [kernel]: collapsed };
  const many = Array.from({ length: 90 }, (_, row) => [Math.sin(row), Math.cos(3 * row), 1]);
  const model = await compile(spec, { engine: reference(), parameters });
  const used = async () => {
    const { gates } = await model.inspect(rows(many));
    return [0, 1, 2].map((expert) => many.filter((_, row) => gates["0/y"][3 * row + expert] > 0).length);
  };
  assertEquals(await used(), [90, 0, 0]);
  const options = { steps: 150, batch: 90, optimiser: sgd(1e-6) };
  for await (const at of train(model, rows(many, { labels: { y: Array(90).fill(0) } }), options)) {
    assertEquals(at.auxiliary, {});
  }
  const counts = await used();
  model.dispose();
  assert(counts.every((count) => Math.abs(count - 30) <= 8), `${counts}`);
});

Deno.test("check() refuses moves of no parameter, and of another shape", () => {
  const spec = gated({ y: topK(1, { balance: 0.1 }) }, 3);
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assertEquals(Object.keys(spec.levels[0].gates.y.moves ?? {}), ["1/bias"]);
  const { y } = spec.levels[0].gates;
  const rule = y.moves!["1/bias"];
  const sum = { nodes: [...rule.nodes, { op: "sum", of: [rule.outputs.output], attrs: { axes: [0], keep: false } }] };
  const table: [moves: unknown, message: string][] = [
    [{ "0/bias": rule }, 'levels[0].gates.y.moves["0/bias"]: the gate has no parameter "0/bias"'],
    [{ "0/kernel": rule }, 'levels[0].gates.y.moves["0/kernel"]: the parameter must be [3]'],
    [{ "1/bias": { ...sum, outputs: { output: rule.nodes.length } } }, "what is added must be [3], found []"],
    [{ "1/bias": { nodes: [], outputs: {} } }, 'the outputs must be just "output", found ""'],
    [3, "levels[0].gates.y.moves: wanted an object, found 3"],
  ];
  for (const [moves, message] of table) {
    const levels = [{ ...spec.levels[0], gates: { y: { ...y, moves } } }];
    const issues = issuesOf({ ...spec, levels }).issues.map(({ path, message }) => `${path}: ${message}`);
    assert(issues.some((issue) => issue.includes(message)), `${message}\n${issues.join("\n")}`);
  }
  assertThrows(() => topK(2, { balance: 0 }), RangeError, "Cannot apply topK: balance must be above 0, found 0");
});

function variants(k: number): TopKOptions[] {
  return [{}, { noise: true }, { normalise: false }, ...(k > 1 ? [{ noise: true, normalise: true }] : [])];
}

function weightsOf(logits: readonly number[], k: number, normalise: boolean): number[] {
  const order = logits.map((_, at) => at).sort((a, b) => logits[b] - logits[a] || a - b);
  const kept = order.slice(0, k);
  const among = softmaxOf(kept.map((expert) => logits[expert]));
  const all = softmaxOf(logits);
  return logits.map((_, expert) => {
    if (!kept.includes(expert)) return 0;
    return normalise ? among[kept.indexOf(expert)] : all[expert];
  });
}

function softplus(number: number): number {
  return Math.log1p(Math.exp(number));
}

/** The integral of the normal density from far below, by Simpson's rule. */
function cdf(z: number): number {
  const steps = 4000;
  const from = -12;
  const width = (Math.max(z, from) - from) / steps;
  let total = 0;
  for (let i = 0; i <= steps; i++) {
    const factor = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    total += factor * Math.exp(-((from + i * width) ** 2) / 2);
  }
  return total * width / 3 / Math.sqrt(2 * Math.PI);
}

import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  adam,
  after,
  type Bank,
  bank,
  check,
  compile,
  define,
  dense,
  describe,
  entropy,
  evaluate,
  fixed,
} from "../mod.ts";
import { type Gate, gateDropout, importance, issuesOf, level, loadBalance, mix } from "../mod.ts";
import { inTraining } from "../lib/ops.ts";
import { initialise } from "../lib/graph.ts";
import { layer, noise, reference, regression, rows, smoothLoad, softmax, type Spec, SpecError } from "../mod.ts";
import { mul, slice } from "../lib/ops.ts";
import { inits, mlp, relu, temperature, topK, train } from "../mod.ts";
import { constant, exp, reshape, square, sum } from "../lib/ops.ts";
import { zLoss } from "../mod.ts";
import type { Value } from "../lib/ops.ts";
import type { Any } from "./bad/case.ts";
import { drawn, gated, product, seen, slopeError, softmaxOf } from "./gated.ts";
import { expert, predictions, sample, tasks } from "./models.ts";

const data = sample(7, 3);
const x = Array.from({ length: data.count }, (_, row) => [...data.inputs.input.subarray(3 * row, 3 * row + 3)]);
const shared = "levels/0/experts/shared";

/** The losses of a bank whose gates take their weights from columns of the rows. */
async function lossesOf(gates: number, weights: readonly (readonly number[])[], losses: Bank["losses"]) {
  const experts = weights[0].length / gates;
  const slices = Array.from(
    { length: gates },
    (_, i): [string, Gate] => [`y${i}`, (x) => slice(x, i * experts, experts)],
  );
  const spec = gated(Object.fromEntries(slices), experts, losses, weights[0].length);
  const { auxiliary } = await seen(spec, rows(weights), drawn(spec, "losses"));
  return Object.fromEntries(Object.entries(auxiliary).map(([path, loss]) => [path.slice(`${shared}/`.length), loss]));
}

const every = { balance: loadBalance(0.5), importance: importance(0.5) };

Deno.test("loadBalance() is alpha for even routing and alpha x experts at collapse; importance() 0 and experts - 1", async () => {
  for (const experts of [2, 4, 8]) {
    const hot = (expert: number) => Array.from({ length: experts }, (_, at) => Number(at === expert));
    const even = await lossesOf(1, Array.from({ length: experts }, (_, row) => hot(row)), every);
    assertEquals(even, { balance: 0.5, importance: 0 });
    const soft = await lossesOf(1, [Array(experts).fill(1 / experts)], every);
    assertEquals(soft, { balance: 0.5, importance: 0 });
    const collapsed = await lossesOf(1, Array.from({ length: 5 }, () => hot(1)), every);
    assertEquals(collapsed, { balance: 0.5 * experts, importance: 0.5 * (experts - 1) });
  }
});

Deno.test("loadBalance() sums the load over gates: tasks may each prefer one expert", async () => {
  assertEquals(await lossesOf(2, [[1, 0, 0, 1], [1, 0, 0, 1]], every), { balance: 0.5, importance: 0 });
  assertEquals(await lossesOf(2, [[1, 0, 1, 0]], every), { balance: 1, importance: 0.5 });
});

Deno.test("losses of banks may be other ones in training", async () => {
  const losses = { phase: ({ routed }: { routed: Value }) => inTraining(constant(3), sum(routed)) };
  const spec = define({
    input: 3,
    levels: [level({ shared: bank(2, dense(2), { losses }) }, { a: mix("shared", softmax) })],
    tasks: { a: regression() },
  });
  const model = await compile(spec, { engine: reference() });
  const some = rows([[1, 2, 3]], { labels: { a: [1] } });
  for await (const { auxiliary } of train(model, some, { steps: 1 })) {
    assertEquals(auxiliary, { "levels/0/experts/shared/phase": 3 });
  }
  assertAlmostEquals((await evaluate(model, some)).auxiliary["levels/0/experts/shared/phase"], 1, 1e-6);
  model.dispose();
});

Deno.test("losses of banks are their formulas, over several gates and banks", async () => {
  const banks = { wide: bank(1, dense(2)), shared: bank(4, dense(2), { losses: every }) };
  const spec = define({
    input: 3,
    levels: [level(banks, { a: mix("shared", topK(2)), b: mix(["wide", "shared"], topK(3)) })],
    tasks: { a: regression(), b: regression() },
  });
  const parameters = drawn(spec, "banks");
  const { gates, auxiliary } = await seen(spec, data, parameters);
  const [routed, scores, weights] = Array.from({ length: 3 }, () => [0, 0, 0, 0]);
  for (const [stream, start] of [["a", 0], ["b", 1]] as const) {
    x.forEach((row, at) => {
      const own = softmaxOf(product(row, parameters[`levels/0/gates/${stream}/0/kernel`]));
      const k = gates[`0/${stream}`][at].filter((weight) => weight > 0).length;
      for (let expert = 0; expert < 4; expert++) {
        const weight = gates[`0/${stream}`][at][start + expert];
        weights[expert] += weight;
        scores[expert] += own[start + expert];
        if (weight > 0) routed[expert] += 1 / k;
      }
    });
  }
  const total = (list: readonly number[]) => list.reduce((a, b) => a + b);
  const dot = routed.reduce((sum, f, expert) => sum + f / total(routed) * scores[expert] / total(scores), 0);
  assertAlmostEquals(auxiliary[`${shared}/balance`], 0.5 * 4 * dot, 1e-12);
  const centre = total(weights) / 4;
  const variance = total(weights.map((weight) => (weight - centre) ** 2)) / 4;
  assertAlmostEquals(auxiliary[`${shared}/importance`], 0.5 * variance / centre ** 2, 1e-12);
});

Deno.test("zLoss() and entropy() are the means of their formulas over rows", async () => {
  for (
    const [cooled, gate] of [[1, softmax], [2, temperature(2)], [1, topK(2)], [
      1,
      after((x) => x, softmax),
    ]] as const
  ) {
    const spec = gated({ y: zLoss(0.3, entropy(-0.2, gate)) }, 4);
    const parameters = drawn(spec, "z");
    const { auxiliary } = await seen(spec, data, parameters);
    const logits = x.map((row) => product(row, parameters["levels/0/gates/y/0/kernel"]).map((logit) => logit / cooled));
    const mean = (of: (logits: number[]) => number) => logits.map(of).reduce((a, b) => a + b) / x.length;
    const z = mean((row) => Math.log(row.map(Math.exp).reduce((a, b) => a + b)) ** 2);
    assertAlmostEquals(auxiliary["levels/0/gates/y/zLoss"], 0.3 * z, 1e-12);
    const h = mean((row) => -softmaxOf(row).reduce((sum, p) => sum + p * Math.log(p), 0));
    assertAlmostEquals(auxiliary["levels/0/gates/y/entropy"], -0.2 * h, 1e-12);
  }
  const hot = gated({ y: entropy(1, (x) => x) }, 3);
  assertEquals((await seen(hot, rows([[0, 1, 0]]), drawn(hot, "hot"))).auxiliary["levels/0/gates/y/entropy"], 0); // not NaN
});

Deno.test("gateDropout() drops by its noise, renormalises, and keeps all where all would go", async () => {
  const spec = gated({ y: gateDropout(0.5, softmax), z: gateDropout(0.5, topK(2)) }, 3);
  const parameters = drawn(spec, "dropout");
  const dropped = [[0.2, 0.9, 0.7], [0.1, 0.2, 0.3], [0.9, 0.9, 0.9], [0.6, 0.1, 0.1], [0.5, 0.6, 0], [0, 0, 1], [
    1,
    0,
    1,
  ]];
  const tensor = { shape: [7, 3], data: Float64Array.from(dropped.flat()) };
  const noise = { "levels/0/gates/y/noise/0": tensor, "levels/0/gates/z/noise/0": tensor };
  const whole = await seen(spec, data, parameters, { training: false });
  const { gates } = await seen(spec, data, parameters, { noise });
  for (const stream of ["0/y", "0/z"]) {
    gates[stream].forEach((row, at) => {
      const before = whole.gates[stream][at];
      const kept = before.map((weight, expert) => dropped[at][expert] > 0.5 ? weight : 0);
      const left = kept.reduce((a, b) => a + b);
      row.forEach((weight, expert) => {
        assertAlmostEquals(weight, left > 0 ? kept[expert] / left : before[expert], 1e-12);
      });
    });
  }
  assertEquals(gateDropout(0, softmax), softmax);
});

Deno.test("gates and their losses have the gradients of their formulas", async () => {
  const all: Readonly<Record<string, Gate>> = {
    hidden: zLoss(0.3, after(mlp([4], { activation: square }), softmax)),
    noisy: entropy(0.3, topK(2, { noise: true })),
    dropped: gateDropout(0.4, zLoss(0.2, topK(3, { noise: true }))),
    still: entropy(0.2, fixed()),
  };
  const losses = { ...every, load: smoothLoad(0.4) };
  const { still, hidden, ...loaded } = all;
  assert(await slopeError(gated(loaded, 4, losses), data, drawn(gated(loaded, 4, losses), "all")) < 1e-7);
  assert(
    await slopeError(gated({ still, hidden }, 4, every), data, drawn(gated({ still, hidden }, 4, every), "some")) <
      1e-7,
  );
});

Deno.test("permuting experts with the columns of any gate changes no prediction and no loss", async () => {
  const order = [2, 0, 3, 1];
  const gates = { a: topK(2), b: zLoss(0.1, softmax), c: fixed(), d: entropy(0.1, topK(1)) };
  const spec = gated(gates, 4, every);
  const parameters = drawn(spec, "order");
  const permuted = Object.fromEntries(
    Object.entries(parameters).map(([path, { shape, data }]) => {
      const place = /experts\/shared\/(\d)(.*)/.exec(path);
      if (place !== null) return [path, parameters[`${shared}/${order[Number(place[1])]}${place[2]}`]];
      if (!path.includes("/gates/")) return [path, { shape, data }];
      return [path, { shape, data: data.map((_, i) => data[i - i % 4 + order[i % 4]]) }];
    }),
  );
  const [one, other] = [parameters, permuted];
  const [a, b] = [
    await predictions<string>(spec, data, { parameters: one }),
    await predictions<string>(spec, data, { parameters: other }),
  ];
  for (const task of Object.keys(gates)) {
    a[task].forEach((number, row) => assertAlmostEquals(number, b[task][row], 1e-5));
  }
  const [before, now] = [await seen(spec, data, one), await seen(spec, data, other)];
  assertEquals(Object.keys(before.auxiliary).length, 4);
  for (const [path, loss] of Object.entries(before.auxiliary)) assertAlmostEquals(now.auxiliary[path], loss, 1e-12);
});

Deno.test("after() makes a gate read some columns alone, or a stream that only it needs", async () => {
  const kernel = (spec: Spec, stream: string) => initialise(spec, 0)[`levels/1/gates/${stream}/0/kernel`]?.shape;
  const some = gated({ y: after((x) => slice(x, 1, 2), topK(1)) }, 3);
  assertEquals(initialise(some, 0)["levels/0/gates/y/0/kernel"].shape, [2, 3]);
  const spec = define({
    input: 5,
    levels: [
      level({ columns: bank(1, (x) => slice(x, 3, 2)) }, { position: mix("columns") }),
      level({ shared: bank(3, expert) }, {
        income: mix("shared", softmax, { reads: "position" }),
        marital: mix("shared", softmax),
      }),
    ],
    tasks,
  });
  assertEquals([kernel(spec, "income"), kernel(spec, "marital")], [[2, 3], [5, 3]]);
  const moved = sample(4);
  const model = await compile(spec, { engine: reference() });
  const before = await model.inspect(moved);
  for (let row = 0; row < 4; row++) moved.inputs.input[5 * row] += 1; // a column that the position does not have
  const now = await model.inspect(moved);
  model.dispose();
  assertEquals(now.gates["1/income"], before.gates["1/income"]);
  assert(now.gates["1/marital"].some((weight, at) => weight !== before.gates["1/marital"][at]));
});

Deno.test("train() and evaluate() report the losses of gates and banks apart, and train them", async () => {
  const gates = { a: zLoss(0.3, topK(2, { noise: true })), b: topK(2, { noise: true }) };
  const spec = gated(gates, 4, { ...every, load: smoothLoad(0.4) });
  const labels = { a: x.map(([first]) => first), b: x.map(([, second]) => second) };
  const labelled = { ...data, labels: { a: Float32Array.from(labels.a), b: Float32Array.from(labels.b) } };
  const model = await compile(spec, { engine: reference(), seed: 3 });
  const paths = [`${shared}/balance`, `${shared}/importance`, `${shared}/load`, "levels/0/gates/a/zLoss"];
  for await (const at of train(model, labelled, { steps: 2, validation: labelled })) {
    assertEquals(Object.keys(at.auxiliary), paths);
    const terms = [...Object.values(at.loss), ...Object.values(at.auxiliary)];
    assertAlmostEquals(at.total, terms.reduce((a, b) => a + b), 1e-9);
    if (at.validation !== undefined) assertEquals(Object.keys(at.validation.auxiliary), paths);
  }
  const parameters = await model.parameters();
  const { auxiliary } = await evaluate(model, labelled);
  const wanted = await seen(spec, data, parameters, { training: false });
  for (const path of paths) assertAlmostEquals(auxiliary[path], wanted.auxiliary[path], 1e-6);
  model.dispose();

  const labelsOf = (count: number) => ({ labels: { y: Array(count).fill(0) } });
  const rowsOf = (count: number) =>
    rows(Array.from({ length: count }, (_, row) => [Math.sin(row), row % 3, 1]), labelsOf(count));
  const many = await compile(gated({ y: zLoss(1, softmax) }, 2), { engine: reference() });
  const [all, first] = [(await evaluate(many, rowsOf(1500))).auxiliary, (await evaluate(many, rowsOf(1024))).auxiliary];
  const z = await seen(many.spec, rowsOf(1500), await many.parameters(), { training: false });
  assertAlmostEquals(all["levels/0/gates/y/zLoss"], z.auxiliary["levels/0/gates/y/zLoss"], 1e-6);
  assert(all["levels/0/gates/y/zLoss"] !== first["levels/0/gates/y/zLoss"]);
  many.dispose();
});

Deno.test("loadBalance() brings a collapsed gate back", async () => {
  const collapsed = gated({ y: topK(1) }, 3, { balance: loadBalance(1) });
  const kernel = { shape: [3, 3], data: Float32Array.of(0, 0, 0, 0, 0, 0, 2, 0, 0) };
  const parameters = { ...initialise(collapsed, 0), "levels/0/gates/y/0/kernel": kernel };
  const model = await compile(collapsed, { engine: reference(), parameters });
  const ones = rows(Array.from({ length: 64 }, (_, row) => [Math.sin(row), Math.cos(3 * row), 1]), {
    labels: { y: Array(64).fill(0) },
  });
  const records = await Array.fromAsync(train(model, ones, { steps: 200, batch: 64, optimiser: adam(0.03) }));
  model.dispose();
  assert(records[0].auxiliary[`${shared}/balance`] > 1.5);
  assert(records[199].auxiliary[`${shared}/balance`] < 1.2, `${records[199].auxiliary[`${shared}/balance`]}`);
});

Deno.test("train() names a loss of a gate that is not finite", async () => {
  const spec = gated({
    y: (x, experts) => ({ weights: softmax(x, experts), losses: { wild: exp(sum(x)) } }),
  }, 2);
  const model = await compile(spec, { engine: reference() });
  const huge = rows([[1e3, 1e3, 1e3]], { labels: { y: [0] } });
  let message = "";
  try {
    for await (const _ of train(model, huge));
  } catch (error) {
    message = (error as Error).message;
  }
  model.dispose();
  assertStringIncludes(message, "the loss levels/0/gates/y/wild is");
});

Deno.test("describe() shows every loss of gates and banks", () => {
  const spec = define({
    input: 3,
    levels: [level({ shared: bank(4, dense(2), { losses: { balance: loadBalance(0.5) } }) }, {
      y: mix("shared", zLoss(0.1, topK(2))),
    })],
    tasks: { y: regression() },
  });
  const lines = describe(spec).split("\n").map((line) => line.trimEnd());
  assertEquals(lines.filter((line) => line.includes("loss ")).map((line) => line.replace(/\s{2,}/g, " | ")), [
    "levels/0/experts/shared/balance | loss mul(mul(div(routed, select(greater(routed > sum… | [] | 0",
    "levels/0/gates/y/zLoss | loss mul(mul(dense(4, no bias) > logSumExp, dense(4,… | [] | 0",
  ]);
});

Deno.test("define() and check() refuse losses that are none, with their paths", () => {
  const weights = (x: Value, experts: number) => softmax(x, experts);
  const loss = (of: (x: Value) => Any, name = "wild"): () => Spec => () =>
    gated({ y: (x, experts) => ({ weights: weights(x, experts), losses: { [name]: of(x) } }) }, 2);
  const ofBank = (loss: Any, name = "wild") => () => gated({ y: softmax }, 2, { [name]: loss });
  const parameter = layer((parameter, _) => reshape(parameter("w", [1], inits.ones), []));
  const table: [wrong: () => unknown, message: string][] = [
    [loss((x) => x), 'at levels[0].gates.y: the loss "wild" must be [batch] or [], found [batch, 3]'],
    [
      loss((x) => sum(x), "a/b"),
      'at levels[0].gates.y: "a/b" cannot name a loss: wanted letters, digits, _ and -',
    ],
    [loss(() => 3), "at levels[0].gates.y: Cannot apply gate: wild must be a value, found 3"],
    [loss((x) => sum(x, { axes: [0, 1] })), "at levels[0].gates.y: sum runs along the batch"],
    [
      () => gated({ y: (() => ({})) as Any }, 2),
      "at levels[0].gates.y: Cannot apply gate: weights must be a value, found nothing",
    ],
    [
      () => gated({ y: ((x: Value, n: number) => ({ weights: weights(x, n), loses: {} })) as Any }, 2),
      'did you mean "losses"?',
    ],
    [
      () => gated({ y: (x, n) => ({ weights: weights(x, n), scores: x }) }, 2),
      "the scores must be [batch, 2], found [batch, 3]",
    ],
    [
      () => gated({ y: zLoss(1, (x) => relu(slice(x, 0, 2))) }, 2),
      "the gate returns no logits: wanted { weights, logits }",
    ],
    [() => gated({ y: zLoss(1, zLoss(1, softmax)) }, 2), 'the gate has a loss "zLoss" already'],
    [
      ofBank(({ routed }: Any) => routed),
      "at levels[0].experts.shared.losses.wild: the loss must be a number [], found [2]",
    ],
    [ofBank(() => 7), "at levels[0].experts.shared.losses.wild: the function must return a value, found 7"],
    [ofBank(({ routed }: Any) => mul(sum(routed), parameter(routed))), "a loss of a bank has no parameter"],
    [ofBank(() => inTraining(noise([]), constant(0))), "a loss of a bank has no noise"],
    [ofBank(loadBalance(), "0"), 'at levels[0].experts.shared.losses["0"]: "0" cannot name a loss'],
    [ofBank(3), "at levels[0].experts.shared.losses.wild: wanted a function, found 3"],
    [
      ofBank(smoothLoad()),
      'at levels[0].experts.shared.losses.wild: gate "y" returns no load: wanted topK(k, { noise: true })',
    ],
  ];
  for (const [wrong, message] of table) assertStringIncludes(assertThrows(wrong, SpecError).message, message);
  for (const wrong of [() => loadBalance(NaN), () => importance(Infinity), () => zLoss(1e39, softmax)]) {
    assertThrows(wrong, RangeError, "the weight must be a finite number, found");
  }
  assertThrows(() => gateDropout(1, softmax), RangeError, "Cannot apply gateDropout: rate must be in [0, 1), found 1");
  assertThrows(() => entropy(1, 3 as Any), TypeError, "Cannot apply entropy: the gate must be a function, found 3");
  assertThrows(() => after(3 as Any, softmax), TypeError, "Cannot apply after: the net must be a function, found 3");

  const spec = gated({ y: zLoss(1, softmax) }, 2, { balance: loadBalance() });
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  const [{ experts, gates }] = spec.levels;
  const { nodes, outputs } = experts.shared.losses!.balance;
  const wider = nodes.map((node) => node.op === "input" ? { ...node, attrs: { ...node.attrs, shape: [3] } } : node);
  const bankWith = (losses: unknown) => ({
    ...spec,
    levels: [{ gates, experts: { shared: { ...experts.shared, losses } } }],
  });
  const renamed = {
    ...gates.y.gate!,
    outputs: { ...gates.y.gate!.outputs, "losses/0": gates.y.gate!.outputs.weights },
  };
  const mutated: [unknown, string][] = [
    [
      bankWith({ balance: { nodes: wider, outputs } }),
      "the input must be one of routed, scores, weights, load [2], found",
    ],
    [bankWith({ balance: { nodes, outputs: { ...outputs, more: 0 } } }), 'the outputs must be just "output"'],
    [bankWith(3), "levels[0].experts.shared.losses: wanted an object, found 3"],
    [{ ...spec, levels: [{ experts, gates: { y: { ...gates.y, gate: renamed } } }] }, '"0" cannot name a loss'],
  ];
  for (const [found, message] of mutated) {
    const issues = issuesOf(found).issues.map(({ path, message }) => `${path}: ${message}`);
    assert(issues.some((issue) => issue.includes(message)), issues.join("\n"));
  }
});

Deno.test("a loss of a single expert's gate is left out, as the gate is", () => {
  const spec = gated({ y: zLoss(1, softmax) }, 1, { balance: loadBalance() });
  assertEquals(describe(spec).includes("loss"), false);
});

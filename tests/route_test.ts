import { assert, assertEquals } from "@std/assert";
import {
  adam,
  bank,
  binary,
  category,
  compile,
  cpu,
  define,
  dense,
  dropout,
  embed,
  type Engine,
  fit,
  gateDropout,
  importance,
  layerNorm,
  level,
  loadBalance,
  mix,
  mlp,
  type Net,
  pipe,
  reference,
  regression,
  relu,
  residual,
  type Rows,
  softmax,
  type Spec,
  tanh,
  topK,
  train,
  wasm,
} from "../mod.ts";
import { initialise, plan, prediction, print, trainingStep } from "../lib/graph.ts";
import { cautious, everything, type Rules } from "../lib/graph/rules.ts";
import { onnx } from "../lib/onnx.ts";
import { fillNormal, random } from "../lib/data/random.ts";

const tasks = { click: binary(), price: regression(mlp([3])) };

const specs: Readonly<Record<string, Spec>> = {
  "1 of 5": single(5, dense(4), topK(1)),
  "2 of 5": single(5, dense(4), topK(2)),
  "all of 5": single(5, dense(4), topK(5)),
  "2 of 2, not normalised": single(2, dense(4), topK(2, { normalise: false })),
  "no biases": single(6, dense(4, { bias: false }), topK(2)),
  "noise on the logits": single(6, dense(4), topK(2, { noise: true })),
  "weights that are dropped": single(6, dense(4), gateDropout(0.4, topK(3))),
  "two layers": single(4, mlp([6, 4]), topK(2)),
  "wide layers": single(4, mlp([32, 16]), topK(2)),
  "layers that are normalised": single(4, pipe(dense(6), layerNorm(), relu, dense(4)), topK(2)),
  "a residual layer": single(4, pipe(dense(5), residual(pipe(tanh, dense(5)))), topK(2)),
  "two gates over one bank": define({
    input: 5,
    levels: [level({ shared: bank(6, mlp([5, 4]), { losses: { balance: loadBalance(), even: importance() } }) }, {
      click: mix("shared", topK(2)),
      price: mix("shared", topK(2)),
    })],
    tasks,
  }),
  "no room for some rows": define({
    input: 5,
    levels: [level({ shared: bank(6, mlp([5, 4]), { capacity: 1 }) }, { shared: mix("shared", topK(2)) })],
    tasks,
  }),
  "no room for some rows of two gates, with noise": define({
    input: 5,
    levels: [level({ shared: bank(6, mlp([5, 4]), { capacity: 1.1, losses: { balance: loadBalance() } }) }, {
      click: mix("shared", topK(1, { noise: true })),
      price: mix("shared", topK(2, { noise: true })),
    })],
    tasks,
  }),
  "two banks of like experts, one with a capacity": define({
    input: 5,
    levels: [level({ a: bank(3, dense(4), { capacity: 1 }), b: bank(3, dense(4)) }, {
      shared: mix(["a", "b"], topK(2)),
    })],
    tasks,
  }),
  "gates that choose 1 and 3": define({
    input: 5,
    levels: [level({ shared: bank(6, dense(4)) }, {
      click: mix("shared", topK(1)),
      price: mix("shared", topK(3)),
    })],
    tasks,
  }),
  "two levels": define({
    input: 5,
    levels: [
      level({ low: bank(4, dense(4)) }, { shared: mix("low", topK(2)) }),
      level({ high: bank(5, mlp([6, 4])) }, { click: mix("high", topK(2)), price: mix("high", topK(2)) }),
    ],
    tasks,
  }),
};

/** The specs that stay dense. */
const others: Readonly<Record<string, Spec>> = {
  "one-hot columns, all of them or a part": define({
    input: fit({ tree: category(), soil: category() }, { tree: ["ash", "elm"], soil: ["clay", "sand"] }),
    streams: { trees: ["tree"] },
    levels: [
      level({
        all: bank(4, dense(3)),
        part: bank(4, dense(3), { reads: "trees" }),
        ids: bank(4, embed(3, { features: ["soil"] })),
      }, {
        click: mix("all", topK(1)),
        price: mix("part", topK(1)),
        ids: mix("ids", topK(1)),
      }),
    ],
    tasks: { ...tasks, id: regression(pipe(), { reads: "ids" }) },
  }),
  "a gate that chooses none": single(5, dense(4), softmax),
  "a gate that chooses none beside one that does": define({
    input: 5,
    levels: [level({ shared: bank(6, dense(4)) }, { click: mix("shared", topK(2)), price: mix("shared", softmax) })],
    tasks,
  }),
  "experts of two kinds": define({
    input: 5,
    levels: [level({ a: bank(3, dense(4)), b: bank(3, pipe(dense(4), relu)) }, {
      shared: mix(["a", "b"], topK(2)),
    })],
    tasks,
  }),
  "experts that others use too": define({
    input: 5,
    levels: [level({ a: bank(3, dense(4)), b: bank(2, dense(4)) }, {
      click: mix(["a", "b"], topK(2)),
      price: mix("a", topK(2)),
    })],
    tasks,
  }),
  "experts with noise of their own": single(5, pipe(dense(4), dropout(0.2)), topK(2)),
};

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };

for (const [name, start] of Object.entries(engines)) {
  Deno.test(`models on ${name} predict and train the same with chosen experts alone as with all`, async () => {
    const engine = await start();
    const tolerance = name === "reference" ? 1e-9 : 1e-5;
    for (const [what, spec] of Object.entries(specs)) {
      const [sparse, dense] = [await learnt(spec, engine, everything), await learnt(spec, engine, cautious)];
      assertSame(sparse, dense, tolerance, what);
    }
  });

  Deno.test(`models on ${name} route one row, ties, and all rows to one expert`, async () => {
    const engine = await start();
    const spec = specs["two layers"];
    const gate = "levels/0/gates/shared/0/kernel";
    const first = initialise(spec, 1);
    const rows = first[gate].shape[0];
    const kernels = { ties: () => 0, "one expert": (expert: number) => expert < 2 ? 1 - expert / 2 : 0 };
    for (const [what, weight] of Object.entries(kernels)) {
      const data = Float32Array.from({ length: rows * 4 }, (_, at) => weight(at % 4));
      const parameters = { ...first, [gate]: { shape: [rows, 4], data } };
      for (const count of [1, 7]) {
        const found = await Promise.all([everything, cautious].map(async (rules) => {
          const model = await compile(spec, { engine: { ...engine, rules }, parameters });
          const { predictions, gates } = await model.inspect(sample(count, true));
          model.dispose();
          return { ...predictions, ...gates };
        }));
        assertSame(found[0], found[1], name === "reference" ? 1e-9 : 1e-5, `${what}, ${count} rows`);
      }
    }
  });
}

Deno.test("route() computes the chosen experts alone, in training and for predictions", () => {
  for (const [what, spec] of Object.entries(specs)) {
    for (const text of graphs(spec, everything)) {
      assert(text.includes("routed("), what);
    }
  }
});

Deno.test("route() sends the rows of all gates that choose alike together", () => {
  const [step] = graphs(specs["two gates over one bank"], everything);
  assertEquals(step.match(/topPlaces/g)?.length, 1);
  assertEquals(step.match(/routedKernels\(/g)?.length, 4); // two layers, each a matrix and a bias
});

Deno.test("route() leaves experts that are not alike, that other gates need, or that draw noise", () => {
  for (const [what, spec] of Object.entries(others)) {
    for (const text of graphs(spec, everything)) assert(!text.includes("routed"), what);
    assertEquals(graphs(spec, everything), graphs(spec, { ...everything, routeFrom: cautious.routeFrom }), what);
  }
});

Deno.test("route() goes by the number of experts for each that is chosen, and by what that saves", () => {
  const spec = specs["two gates over one bank"]; // 6 experts for 4, of 5 x 5 and 5 x 4 elements
  const found = (ratio: number, saved: number) =>
    graphs(spec, { ...cautious, routeFrom: { ratio, saved } }).map((text) => text.includes("routed("));
  assertEquals([1.5, 1.51].map((ratio) => found(ratio, 1)), [[true, true], [false, false]]);
  assertEquals([22.5, 22.6].map((saved) => found(1, saved)), [[true, true], [false, false]]);
});

Deno.test("engines route where it was measured to be faster", async () => {
  const routes = async (engine: Engine | Promise<Engine>, experts: number, units: number, k: number) => {
    const spec = define({
      input: 512,
      levels: [level({ shared: bank(experts, dense(units)) }, { shared: mix("shared", topK(k)) })],
      tasks: { price: regression() },
    });
    const { rules = cautious } = await engine;
    return print(prediction(plan(spec, { rules }))).includes("routed(");
  };
  const found = async (engine: Engine | Promise<Engine>) => [
    await routes(engine, 8, 64, 2),
    await routes(engine, 8, 64, 4),
    await routes(engine, 8, 16, 4),
    await routes(engine, 8, 64, 8),
  ];
  assertEquals(await found(onnx()), [true, false, false, false]);
  assertEquals(await found(wasm()), [true, true, false, false]);
  assertEquals(await found(cpu()), [true, true, true, false]);
});

Deno.test("compile() without fusion computes all experts", async () => {
  const spec = specs["2 of 5"];
  assertEquals(plan(spec, { rules: everything, fuse: false }).layout.stacks, []);
  const learned = await Promise.all([true, false].map(async (fuse) => {
    const model = await compile(spec, { engine: reference(), fuse });
    const found = await model.predict(sample(5));
    model.dispose();
    return found;
  }));
  assertSame(learned[0], learned[1], 1e-9, "predictions");
});

function single(experts: number, net: Net, gate: Parameters<typeof mix>[1]): Spec {
  return define({ input: 5, levels: [level({ shared: bank(experts, net) }, { shared: mix("shared", gate) })], tasks });
}

/** A training step and a prediction, as text. */
function graphs(spec: Spec, rules: Rules): string[] {
  const planned = plan(spec, { rules });
  return [trainingStep(planned, adam()), prediction(planned)].map(print);
}

function sample(count: number, positive = false): Rows {
  const input = fillNormal(new Float32Array(count * 5), random("rows"));
  if (positive) input.forEach((number, at) => input[at] = Math.abs(number));
  const labels = {
    click: Float32Array.from({ length: count }, (_, row) => input[row * 5] > 0 ? 1 : 0),
    price: Float32Array.from({ length: count }, (_, row) => input[row * 5 + 1]),
  };
  return { count, inputs: { input }, labels } as Rows;
}

async function learnt(spec: Spec, engine: Engine, rules: Rules): Promise<Record<string, ArrayLike<number>>> {
  const model = await compile(spec, { engine: { ...engine, rules: { ...rules, gatherFrom: Infinity } }, seed: 2 });
  const data = sample(23);
  const before = await model.inspect(data);
  const losses: number[] = [];
  for await (const { total } of train(model, data, { steps: 6, batch: 16, optimiser: adam(0.01) })) losses.push(total);
  const after = await model.parameters();
  model.dispose();
  const trained = Object.entries(after).map(([path, { data }]) => [path, data] as const);
  return { ...before.predictions, ...before.gates, losses, ...Object.fromEntries(trained) };
}

function assertSame(
  found: Readonly<Record<string, ArrayLike<number>>>,
  wanted: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: number,
  what: string,
): void {
  assertEquals(Object.keys(found), Object.keys(wanted), what);
  for (const [key, numbers] of Object.entries(found)) {
    assertEquals(numbers.length, wanted[key].length);
    for (let at = 0; at < numbers.length; at++) {
      const error = Math.abs(numbers[at] - wanted[key][at]);
      assert(error <= tolerance, `${what}, ${key} ${at}: ${numbers[at]}, wanted ${wanted[key][at]}`);
    }
  }
}

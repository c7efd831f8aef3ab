import { assert, assertEquals } from "@std/assert";
import {
  adam,
  binary,
  category,
  compile,
  cpu,
  define,
  dense,
  encode,
  type Engine,
  featuresOf,
  fit,
  mlp,
  mmoe,
  type Net,
  numeric,
  pipe,
  reference,
  regression,
  relu,
  type Rows,
  type Spec,
  train,
  wasm,
} from "../mod.ts";
import { add, concat, mul, slice } from "../lib/ops.ts";
import { plan, print, trainingStep } from "../lib/graph.ts";
import { cautious } from "../lib/graph/rules.ts";
import { onnx } from "../lib/onnx.ts";

const words = ["ash", "elm", "fir", "oak", "yew"];
const columns = {
  age: Array.from({ length: 40 }, (_, row) => (row * 7) % 31),
  tree: Array.from({ length: 40 }, (_, row) => words[(row * 3) % 5]),
  side: Array.from({ length: 40 }, (_, row) => row % 4 === 0 ? "left" : "right"),
  height: Array.from({ length: 40 }, (_, row) => (row * row) % 17),
};
const kinds = { age: numeric(), tree: category(), side: category(), height: numeric() };
const cross: Net = (x) => add(mul(x, dense(1)(x)), x);

const specs: Readonly<Record<string, Spec>> = {
  "numbers and categories": spec({ ...kinds }),
  "categories alone": spec({ tree: category(), side: category() }),
  "one category": spec({ tree: category() }),
  "no category": spec({ age: numeric() }),
  "some columns of a stream, cut out by a net": spec({ ...kinds }, pipe((x) => slice(x, 1, 9), dense(4), relu)),
  "columns that cut through features": spec({ tree: category(), side: category() }, (x) => {
    return dense(3)(concat([slice(slice(x, 1, 9), 1, 7), slice(x, 2, 3), slice(x, 9, 2)]));
  }),
  "named parts of the input": define({
    input: fit(kinds, columns),
    streams: { trees: ["tree"], click: ["side", "height", "tree"] },
    tasks: { click: binary(mlp([3])), price: regression(mlp([2]), { reads: "trees" }) },
  }),
  "one-hot columns that are used otherwise too": spec({ ...kinds }, pipe(cross, dense(4), relu)),
};

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };

for (const [name, start] of Object.entries(engines)) {
  Deno.test(`models on ${name} predict and train with gathered rows as with one-hot columns`, async () => {
    const engine = await start();
    const tolerance = name === "reference" ? 1e-9 : 2e-5;
    for (const [what, model] of Object.entries(specs)) {
      const data = rowsOf(model);
      const [sparse, dense] = [await learnt(model, data, engine, 1), await learnt(model, data, engine, Infinity)];
      assertEquals(Object.keys(sparse), Object.keys(dense), what);
      for (const [key, numbers] of Object.entries(sparse)) {
        numbers.forEach((number, at) => {
          const error = Math.abs(number - dense[key][at]);
          assert(error <= tolerance, `${what}, ${key} ${at}: ${number}, wanted ${dense[key][at]}`);
        });
      }
    }
  });
}

Deno.test("gather() leaves no one-hot column in a training step, but where something else reads it", () => {
  const left = Object.entries(specs).filter(([, spec]) => steps(spec, 1).includes("multiHot")).map(([name]) => name);
  assertEquals(left, ["one-hot columns that are used otherwise too"]);
  const sparse = steps(specs["numbers and categories"], 1);
  assertEquals(sparse.match(/gatherSum/g)?.length, sparse.match(/scatterAdd/g)?.length);
  assert(!/pad\(/.test(sparse)); // the gradient's parts are put side by side, not stretched and added
});

Deno.test("gather() looks up what a net cuts out in the table of that alone, and never pads a table", () => {
  const cut = [
    "some columns of a stream, cut out by a net",
    "columns that cut through features",
    "named parts of the input",
  ];
  for (const name of cut) {
    const step = steps(specs[name], 1);
    assert(step.includes("pick("), name);
    assert(!step.includes("multiHot") && !/ pad\(/.test(step), `${name}\n${step}`);
  }
  const part = steps(specs["named parts of the input"], 1);
  assertEquals([...part.matchAll(/gatherSum\([^)]*sizes=(\[[^\]]*\])/g)].map(([, sizes]) => sizes).sort(), [
    "[4]",
    "[7]",
    "[7]",
  ]);
});

Deno.test("gather() gathers where a code has at least so many places on average", () => {
  const places = [7, 4]; // five words and two, and places for missing texts and for others
  const mean = (places[0] + places[1]) / places.length;
  const found = (least: number) => steps(specs["categories alone"], least).includes("gatherSum");
  assertEquals([mean - 0.1, mean, mean + 0.1].map(found), [true, true, false]);
});

function spec(kinds: Parameters<typeof fit>[0], expert: Net = mlp([6, 4])): Spec {
  const tasks = { click: binary(mlp([3])), price: regression() };
  return define(mmoe({ input: fit(kinds, columns), experts: 3, expert, tasks }));
}

function rowsOf(spec: Spec): Rows {
  const features = featuresOf(spec);
  const given = Object.fromEntries(Object.keys(features).map((name) => [name, columns[name as keyof typeof columns]]));
  const unknown = "tree" in given ? { ...given, tree: [...words, "palm", ...columns.tree.slice(6)] } : given;
  const labels = {
    click: Float32Array.from(columns.age, (age) => age > 15 ? 1 : 0),
    price: Float32Array.from(columns.height, (height) => height / 17),
  };
  return { ...encode(features, unknown), labels };
}

async function learnt(spec: Spec, data: Rows, engine: Engine, gatherFrom: number) {
  const model = await compile(spec, { engine: { ...engine, rules: { ...cautious, gatherFrom } }, seed: 2 });
  const before = await model.predict(data);
  const losses: number[] = [];
  for await (const { total } of train(model, data, { steps: 6, batch: 16, optimiser: adam(0.01) })) losses.push(total);
  const parameters = await model.parameters();
  model.dispose();
  const trained = Object.entries(parameters).map(([path, { data }]) => [path, [...data]] as const);
  return { ...mapped(before), losses, ...Object.fromEntries(trained) } as Record<string, number[]>;
}

function mapped(predictions: Readonly<Record<string, Float32Array>>): Record<string, number[]> {
  return Object.fromEntries(Object.entries(predictions).map(([task, numbers]) => [task, [...numbers]]));
}

function steps(spec: Spec, gatherFrom: number): string {
  return print(trainingStep(plan(spec, { rules: { ...cautious, gatherFrom } }), adam()));
}

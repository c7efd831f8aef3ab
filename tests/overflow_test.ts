import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  bag,
  binary,
  compile,
  cpu,
  define,
  dense,
  embed,
  encode,
  type Engine,
  evaluate,
  fit,
  layerNorm,
  mmoe,
  type Model,
  type Net,
  numeric,
  pipe,
  reference,
  regression,
  relu,
  rows,
  sgd,
  type Spec,
  tanh,
  train,
  wasm,
} from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { initialise, plan, prediction } from "../lib/graph.ts";
import { insideOf, mostFloat, mostInside } from "../lib/graph/overflow.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { add, exp, greater, mul, neg, select, sigmoid, sub, sum } from "../lib/ops.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";
import { join } from "../lib/model/parameters.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { architectures, everyHead } from "./models.ts";
import { largestIn } from "../lib/model/tables.ts";

const engines: Readonly<Record<string, Engine>> = {
  reference: reference(),
  cpu: await cpu(),
  wasm: await wasm(),
  onnx: await onnx(),
};

const four = pipe(dense(4));
const over = (net: Net) => define({ input: 4, tasks: { a: binary(pipe(four, net)) } });

/** What stands between numbers that are beyond float32 and a prediction. */
const specs: Readonly<Record<string, Spec<"a">>> = {
  nothing: define({ input: 4, tasks: { a: regression() } }),
  tanh: over(tanh),
  sigmoid: over((x) => sigmoid(x)),
  relu: over(relu),
  "two layers": over(pipe(relu, dense(3), tanh)),
  "a layer norm": over(layerNorm()),
  "a square": over((x) => tanh(mul(x, x))),
  "a sum": over((x) => tanh(sum(x, { axes: [1], keep: true }))),
  "a choice": over((x) => select(greater(x, 0), 1, 0.5)),
  "a gate": define(mmoe({ input: 4, experts: 3, expert: pipe(dense(4), tanh), tasks: { a: binary() } })),
};

/** Rows whose products add up to little, though what they are begun with may be beyond float32. */
const signs = [[1, 1, -1, -1], [1, -1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0]];

/**
 * How large inputs, kernels and biases are. Powers of 2 cancel wholly, and where they do there is no bias: what rounding
 * leaves of others is as large as what is beyond float32.
 */
const sizes: readonly (readonly [input: number, kernel: number, bias: number])[] = [
  [1, 1, 1],
  [1, 3e38, 1],
  [1, 2 ** 127, 1],
  [1, 1, 3e38],
  [3e38, 1, 1],
  [2 ** 127, 1, 1],
  [2 ** 127, 2 ** -10, 0],
  [2 ** 127, 2 ** -66, 0],
  [2 ** 64, 2 ** 64, 1],
  [2 ** 60, 2 ** 30, 0],
  [2 ** 40, 2 ** 44, 2 ** 44],
];

for (const [name, spec] of Object.entries(specs)) {
  Deno.test(`predict() with numbers beyond float32 before ${name} is refused, or right, on every engine alike`, async () => {
    for (const [input, kernel, bias] of sizes) {
      const parameters = Object.fromEntries(
        Object.entries(initialise(spec, 3)).map(([path, { shape, data }]) => {
          const size = path.endsWith("bias") ? bias : kernel;
          return [path, { shape, data: Float32Array.from(data, (_, at) => at % 3 === 1 ? -size : size) }];
        }),
      );
      for (const row of signs) {
        const found = row.map((sign) => sign * input);
        const place = `inputs ${found}, kernels ${kernel}, biases ${bias}`;
        const [right] = await exact(spec, parameters, found);
        const answers = await Promise.all(
          Object.values(engines).map((engine) => answered(spec, parameters, found, engine)),
        );
        assertEquals(new Set(answers.map((answer) => answer === undefined)).size, 1, `${place}: ${answers}`);
        for (const answer of answers) {
          assert(
            answer === undefined || Math.abs(answer - right) <= 1e-4 * Math.max(1, Math.abs(right)),
            `${place}: ${answers}, ${right}`,
          );
        }
        if (input === 1 && kernel === 1 && bias === 1) assert(answers[0] !== undefined, place);
      }
    }
  });
}

/** The prediction in float64, whatever is beyond float32. */
async function exact(
  spec: Spec,
  parameters: Readonly<Record<string, Tensor>>,
  row: readonly number[],
): Promise<Tensor["data"]> {
  const engine = reference();
  const planned = plan(spec);
  const store = engine.store({ parameters: join(planned.layout, parameters) });
  const x = { shape: [1, row.length], data: Float32Array.from(row) };
  return (await engine.load(prediction(planned), store).run({ input: x })).a.data;
}

/** The prediction of a model, undefined if it is refused. */
async function answered(
  spec: Spec<"a">,
  parameters: Readonly<Record<string, Tensor>>,
  row: readonly number[],
  engine: Engine,
): Promise<number | undefined> {
  const model = await compile(spec, { engine, parameters });
  try {
    return (await model.predict(rows([row]))).a[0];
  } catch (error) {
    assert(error instanceof RangeError && error.message.startsWith("Cannot predict\n  at row 0"), `${error}`);
  } finally {
    model.dispose();
  }
}

Deno.test("models of usual size are known to stay within float32, so that nothing is looked at", () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, everyHead })) {
    const values = insideOf(prediction(plan(spec)), Object.keys(spec.tasks));
    assert(mostInside(values, 1000, 3, 8192) < mostFloat / 2, name);
  }
});

Deno.test("a choice between a number and constants is known to be as small as these make it, and no smaller", () => {
  const [x, y] = ["x", "y"].map((name) => apply("input", [], { name, shape: ["batch"], type: "float" }));
  const below = sub(exp(x), 1);
  const cases: readonly (readonly [string, Value, number])[] = [
    ["at least 2, at most 5", select(greater(x, 5), 5, select(greater(2, x), 2, x)), 5],
    ["at least -7, at most 5", select(greater(-7, x), -7, select(greater(x, 5), 5, x)), 7],
    ["at most 5", select(greater(5, x), x, 5), 100],
    ["far from 0", select(greater(x, 5), x, 5), 100],
    ["far from 0 or -9", select(greater(x, 5), x, -9), 100],
    ["not greater", select(greater(x, 5), 0, x), 100],
    ["of another's size", select(greater(mul(x, 1), 5), 5, x), 100],
    ["never", select(greater(x, 500), x, 3), 100],
    ["an ELU", select(greater(x, 0), x, sub(exp(x), 1)), 100],
    ["an ELU the other way about", select(greater(0, x), sub(exp(x), 1), x), 100],
    ["a SELU", mul(1.05, select(greater(x, 0), x, mul(1.67, sub(exp(x), 1)))), 105],
    ["an ELU of the wrong sign", select(greater(x, 0), sub(exp(x), 1), x), Math.exp(100)],
    ["by another value", select(greater(y, 0), x, sub(exp(x), 1)), Math.exp(100)],
    ["used elsewhere too", add(select(greater(x, 0), x, below), sub(below, 1)), Math.exp(100)],
    ["deep in a branch", select(greater(x, 0), x, neg(neg(neg(neg(neg(sub(exp(x), 1))))))), Math.exp(100)],
  ];
  for (const [name, value, most] of cases) {
    assertAlmostEquals(mostInside(inOrder([add(value, 0)]), 100, 1, 1) / most, 1, 1e-6, name);
  }
});

Deno.test("predict(), inspect() and evaluate() name the row, and know parameters that were assigned or trained", async () => {
  const spec = over(tanh);
  const model = await compile(spec, { engine: wasm(), seed: 3 });
  const data = rows([[1, 1, 1, 1], [1, 2, 3, 4], [3e38, 3e38, 3e38, 3e38]], { labels: { a: [0, 1, 0] } });
  const message = "at row 2: on the way to the prediction, a number is beyond float32, wanted at most 3.4e+38: " +
    "the row's inputs are too large for the model, or its parameters are; other rows can be predicted";
  const refusing = async (of: (model: Model<"a">) => Promise<unknown>, action: string, text: string) => {
    const { message } = await assertRejects(() => of(model), RangeError);
    assertEquals(message, `${action}\n  ${text}`);
  };
  await refusing((model) => model.predict(data), "Cannot predict", message);
  await refusing((model) => model.inspect(data), "Cannot predict", message);
  await refusing((model) => evaluate(model, data), "Cannot evaluate", message);
  const small = rows([[1, 1, 1, 1]], { labels: { a: [1] } });
  const before = await model.predict(small);
  const parameters = await model.parameters();
  const large = Object.fromEntries(
    Object.entries(parameters).map(([path, { shape, data }]) => [path, { shape, data: data.map(() => 3e38) }]),
  );
  model.assign(large);
  await refusing((model) => model.predict(small), "Cannot predict", message.replace("row 2", "row 0"));
  model.assign(parameters);
  assertEquals(await model.predict(small), before);
  for await (const _ of train(model, small, { steps: 1, optimiser: sgd(1e37) }));
  await assertRejects(() => model.predict(rows([[1e4, 1e4, 1e4, 1e4]])), RangeError, "is beyond float32");
  model.dispose();
});

Deno.test("predict() and evaluate() say the same of numbers beyond float32 on every engine, of few rows and of many", async () => {
  const spec = define(mmoe({ input: 2, expert: pipe(dense(8), relu, dense(8), relu), tasks: { a: regression() } }));
  for (const engine of Object.values(engines)) {
    const model = await compile(spec, { engine, seed: 7 });
    for (const count of [1, 30, 1000]) {
      const numbers = Array.from({ length: count }, (_, row) => row === count - 1 ? [3e38, 3e38] : [1, 1]);
      const data = rows(numbers, { labels: { a: new Float64Array(count) } });
      const place = `${engine.name}, ${count} rows`;
      for (
        const [action, run] of [["predict", () => model.predict(data)], [
          "evaluate",
          () => evaluate(model, data),
        ]] as const
      ) {
        const { message } = await assertRejects(async () => void await run(), RangeError);
        const wanted = `Cannot ${action}\n  at row ${
          count - 1
        }: on the way to the prediction, a number is beyond float32`;
        assertEquals(message.split(",").slice(0, 2).join(), wanted, place);
      }
    }
    model.dispose();
  }
});

Deno.test("train() names the largest input where a step of large ones is not finite, on every engine alike", async () => {
  const labels = { a: [0, 1, 0] };
  const input = fit({ age: numeric({ transform: "none" }), price: numeric() }, { age: [1, 2], price: [1, 2] });
  const encoded = encode(input, { age: [1, 2, 3], price: [1, 2, -1e38] });
  const cases = [
    [4, rows([[1, 1, 1, 1], [1, 2, -3e38, 4], [1, 1, 2, 1]], { labels }), "column 2, 3.00e+38"],
    [input, rows(encoded, { labels }), 'feature "price", 2.00e+38'],
  ] as const;
  for (const [input, data, named] of cases) {
    const spec = define({ input, tasks: { a: regression(dense(8)) } });
    for (const engine of [engines.cpu, engines.wasm, engines.onnx]) { // float64 holds them
      const model = await compile(spec, { engine, seed: 7 });
      const { message } = await assertRejects(() => Array.fromAsync(train(model, data, { steps: 3 })), RangeError);
      const [action, what, , largest, way] = message.split("\n");
      assertEquals([action, largest], ["Cannot train", `  the largest input is that of ${named} in size`], engine.name);
      assert(what.startsWith("  at step 1: the "), what);
      assertEquals(way, "  the step was not taken: try smaller inputs, a smaller learning rate, or clipNorm");
      model.dispose();
    }
  }
});

Deno.test("predict() lets be what is beyond float32 where it is not chosen, or as it should be", async () => {
  const elu: Net = (x) => select(greater(x, 0), x, sub(exp(x), 1));
  const spec = define({ input: 1, tasks: { a: regression(elu), b: binary((x) => tanh(exp(x))) } });
  for (const engine of Object.values(engines)) {
    const model = await compile(spec, { engine, seed: 3 });
    const found = await model.predict(rows([[1000], [-1000]]));
    const wanted = await compile(spec, { engine: reference(), seed: 3 });
    const { a, b } = await wanted.predict(rows([[1000], [-1000]]));
    for (const row of [0, 1]) {
      assert(Math.abs(found.a[row] - a[row]) <= 1e-3 * Math.abs(a[row]), `${engine.name}: ${found.a}, ${a}`);
      assert(Math.abs(found.b[row] - b[row]) <= 1e-5, `${engine.name}: ${found.b}, ${b}`);
    }
    [model, wanted].forEach((model) => model.dispose());
  }
});

Deno.test("predict() refuses sums of a bag's vectors beyond float32, looked up or not", async () => {
  const table = { tags: [["a"], ["a", "a", "b"], ["a", "b"]], shares: [[1], [1e30, 1e30, 1], [0, 0]] };
  const input = fit({ tags: bag({ weights: "shares", pooling: "sum" }) }, table);
  const encoded = encode(input, table);
  for (const net of [embed(1), dense(1), dense(300, { bias: false })]) {
    const spec = define({ input, tasks: { a: binary(pipe(net, tanh)) } });
    for (const engine of Object.values(engines)) {
      const model = await compile(spec, { engine });
      const large = Object.entries(await model.parameters()).map(([path, { shape, data }]) => {
        return [path, { shape, data: data.fill(path.includes("tower") ? 1e15 : 1e-3) }] as const;
      });
      model.assign(Object.fromEntries(large));
      await assertRejects(() => model.predict(encoded), RangeError, "row 1: on the way to the prediction, a number");
      const others = encode(input, { tags: [["a"], []], shares: [[1e15], []] });
      assertEquals((await model.predict(others)).a.every(Number.isFinite), true);
      model.dispose();
    }
  }
});

Deno.test("largestIn() finds the largest size among few numbers and many, and passes NaN over", () => {
  for (const length of [5, 3000]) {
    const numbers = Float32Array.from({ length }, (_, at) => Math.sin(at));
    numbers[2] = -7.5;
    numbers[3] = NaN;
    assertEquals([largestIn(numbers, 0, length, 0), largestIn(numbers, 0, length, 9)], [7.5, 9]);
    numbers[3] = 0;
    assertEquals(largestIn(numbers, 0, length, 0), 7.5);
    assert(largestIn(numbers, 3, length, 0) < 1);
    numbers[4] = -Infinity;
    assertEquals(largestIn(numbers, 0, length, 0), Infinity);
  }
});

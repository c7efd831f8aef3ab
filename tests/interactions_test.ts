import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  bank,
  binary,
  category,
  compile,
  cpu,
  crossNet,
  define,
  dense,
  embed,
  encode,
  type Engine,
  fit,
  fm,
  gateUnit,
  level,
  mix,
  type Net,
  pipe,
  reference,
  regression,
  relu,
  rows,
  softmax,
  SpecError,
  squeezeExcite,
  tanh,
  wasm,
} from "../mod.ts";
import { broadcast, concat, constant, mul, reshape } from "../lib/ops.ts";
import { initialise, parametersOf, type Tensor, trace } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { random } from "../lib/data/random.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { sum } from "../lib/ops/functions.ts";

type Parameters = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;

const source = random("interactions");
const x = Array.from({ length: 7 }, () => Array.from({ length: 6 }, () => Math.fround(source.normal())));
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const relued = (z: number) => Math.max(z, 0);

/** Three vectors of two numbers, before a net of vectors; and its vectors side by side. */
const stacked: Net = (x) => reshape(x, ["batch", 3, 2]);
const flat: Net = (x) => reshape(x, ["batch", 6]);

/** A net on rows of 6 numbers, and what it makes of a row, in plain loops. */
const formulas: Readonly<Record<string, readonly [net: Net, formula: (x: number[], p: Parameters) => number[]]>> = {
  fm: [pipe(stacked, fm), (x) => {
    let pairs = 0;
    for (let i = 0; i < 3; i++) {
      for (let j = i + 1; j < 3; j++) for (let k = 0; k < 2; k++) pairs += x[2 * i + k] * x[2 * j + k];
    }
    return [pairs];
  }],
  crossNet: [crossNet(3), (x, p) => {
    let crossed = x;
    for (let at = 0; at < 3; at++) {
      const product = affine(crossed, p, `${at}/kernel`, `${at}/bias`);
      crossed = crossed.map((z, i) => x[i] * product[i] + z);
    }
    return crossed;
  }],
  "crossNet of low rank": [crossNet(2, { rank: 2 }), (x, p) => {
    let crossed = x;
    for (let at = 0; at < 2; at++) {
      const product = affine(affine(crossed, p, `${at}/down`), p, `${at}/up`, `${at}/bias`);
      crossed = crossed.map((z, i) => x[i] * product[i] + z);
    }
    return crossed;
  }],
  "gateUnit, as EPNet": [gateUnit(2), (x, p) => gated(x.slice(2), x, p, "0", 2)],
  "gateUnit, as PPNet": [
    gateUnit(2, [pipe(dense(5), tanh), dense(3)], { hidden: 4, gamma: 1.5 }),
    (x, p) => {
      const first = gated(affine(x.slice(2), p, "0/kernel", "0/bias").map(Math.tanh), x, p, "1", 1.5);
      return gated(affine(first, p, "2/kernel", "2/bias"), x, p, "3", 1.5);
    },
  ],
  squeezeExcite: [pipe(stacked, squeezeExcite(1.5), flat), (x, p) => {
    const means = [0, 1, 2].map((field) => (x[2 * field] + x[2 * field + 1]) / 2);
    const scales = affine(affine(means, p, "0/kernel").map(relued), p, "0/outKernel").map(relued);
    return x.map((z, i) => z * scales[i >> 1]);
  }],
};

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };

for (const [name, start] of Object.entries(engines)) {
  Deno.test(`interactions compute their formulas on ${name}`, async () => {
    const engine = await start();
    for (const [what, [net, formula]] of Object.entries(formulas)) {
      const spec = define({ input: 6, tasks: { y: regression(net) } });
      const parameters = filled(parametersOf(spec));
      const model = await compile(spec, { engine, parameters });
      const { y } = await model.predict(rows(x));
      model.dispose();
      x.forEach((row, at) => {
        const top = formula(row, under(parameters, "tasks/y/tower/"));
        const [wanted] = affine(top, under(parameters, "tasks/y/head/"), "0/kernel", "0/bias");
        assertAlmostEquals(y[at], wanted, 2e-5 * Math.max(1, Math.abs(wanted)), `${what}, row ${at}`);
      });
    }
  });
}

Deno.test("interactions own the parameters that they document", () => {
  const shapes = (net: Net) =>
    Object.fromEntries(
      parametersOf(define({ input: 6, tasks: { y: regression(net) } }))
        .filter(({ path }) => path.includes("/tower/"))
        .map(({ path, shape }) => [path.slice("tasks/y/tower/".length), shape]),
    );
  assertEquals(shapes(formulas.fm[0]), {});
  assertEquals(shapes(crossNet(1)), { "0/kernel": [6, 6], "0/bias": [6] });
  assertEquals(shapes(crossNet(1, { rank: 2 })), { "0/down": [6, 2], "0/up": [2, 6], "0/bias": [6] });
  assertEquals(shapes(gateUnit(2)), { "0/kernel": [6, 4], "0/bias": [4], "0/outKernel": [4, 4], "0/outBias": [4] });
  assertEquals(shapes(pipe(stacked, squeezeExcite(), flat)), { "0/kernel": [3, 1], "0/outKernel": [1, 3] });
  assertEquals(shapes(pipe(stacked, squeezeExcite(5), flat)), { "0/kernel": [3, 1], "0/outKernel": [1, 3] });
  const net = crossNet(2);
  assertEquals(Object.keys(shapes((x) => net(net(x)))).length, 4); // applied twice, it is tied
});

Deno.test("interactions have the gradients that finite differences give, and a gate passes none to what it gates", async () => {
  const engine = reference();
  for (const [what, [net]] of Object.entries(formulas)) {
    const spec = define({ input: 6, tasks: { y: regression(net) } });
    const { logits: { y } } = trace(spec, true);
    const loss = sum(y, { axes: [0, 1] });
    const leaves = inOrder([loss]).filter(({ op }) => op === "parameter" || op === "input");
    const graph = graphOf({ loss, ...Object.fromEntries(gradients(loss, leaves).map((g, at) => [`${at}`, g])) });
    const parameters = doubled(filled(parametersOf(spec)));
    const given = { input: { shape: [7, 6], data: Float64Array.from(x.flat()) } };
    const run = (inputs: Record<string, Tensor>, held: Record<string, Tensor>) =>
      engine.load(graph, engine.store(held)).run(inputs);
    const found = await run(given, parameters);
    for (const [at, { op, attrs }] of leaves.entries()) {
      if (op === "input" && what.startsWith("gateUnit")) continue; // it is stopped: below
      const { shape, data } = op === "input" ? given.input : parameters[attrs.name as string];
      for (let i = 0; i < data.length; i += Math.ceil(data.length / 9)) {
        const moved = async (by: number) => {
          const other = { shape, data: Float64Array.from(data).with(i, data[i] + by) };
          const held = op === "input" ? parameters : { ...parameters, [attrs.name as string]: other };
          return (await run(op === "input" ? { input: other } : given, held)).loss.data[0];
        };
        const wanted = (await moved(1e-5) - await moved(-1e-5)) / 2e-5;
        const near = 1e-6 * Math.max(1, Math.abs(wanted));
        assertAlmostEquals(found[at].data[i], wanted, near, `${what}, ${attrs.name} ${i}`);
      }
    }
  }
  const spec = define({ input: 6, tasks: { y: regression(gateUnit(2)) } });
  const { logits: { y } } = trace(spec, true);
  const input = inOrder([y]).find(({ op }) => op === "input")!;
  const [gradient] = gradients(sum(y, { axes: [0, 1] }), [input]);
  const parameters = doubled(filled(parametersOf(spec)));
  const graph = graphOf({ gradient });
  const read = { input: { shape: [7, 6], data: Float64Array.from(x.flat()) } };
  const kept = Object.fromEntries(
    inOrder([gradient]).filter(({ op }) => op === "parameter").map((
      { attrs: { name } },
    ) => [name, parameters[name as string]]),
  ) as Record<string, Tensor>;
  const { data } = (await engine.load(graph, engine.store(kept)).run(read)).gradient;
  const p = under(parameters, "tasks/y/tower/");
  x.forEach((row, at) => {
    const gate = gated([1, 1, 1, 1], row, p, "0", 2);
    gate.forEach((scale, i) =>
      assertAlmostEquals(data[6 * at + 2 + i], scale * parameters["tasks/y/head/0/kernel"].data[i], 1e-9)
    );
  });
});

Deno.test("gateUnit() begins near 1", async () => {
  const spec = define({ input: 6, tasks: { y: regression(gateUnit(2)) } });
  const begun = initialise(spec, 1);
  const zeros = { ...begun, "tasks/y/tower/0/outKernel": { shape: [4, 4], data: new Float32Array(16) } };
  const model = await compile(spec, { engine: reference(), parameters: zeros });
  const { y } = await model.predict(rows(x));
  x.forEach((row, at) => {
    const { data } = begun["tasks/y/head/0/kernel"];
    assertAlmostEquals(y[at], row.slice(2).reduce((total, z, i) => total + z * data[i], 0), 1e-6);
  });
  model.dispose();
});

Deno.test("a cross layer of DCN-v2's mixture is a bank with a gate; of one full expert it is crossNet(1)", async () => {
  const rank = 2;
  const expert: Net = (x) =>
    mul(x, pipe(dense(rank, { bias: false }), tanh, dense(rank, { bias: false }), tanh, dense(6))(x));
  const kept: Net = (x) => x;
  const mixture = (count: number, expert: Net) =>
    define({
      input: 6,
      levels: [level({ crossed: bank(count, expert), kept: bank(1, kept) }, {
        y: mix(["crossed", "kept"], (x, experts) => {
          const one = broadcast(constant(1), ["batch", 1]);
          return concat([count === 1 ? one : softmax(x, experts - 1), one]);
        }),
      })],
      tasks: { y: regression() },
    });
  const spec = mixture(3, expert);
  const parameters = filled(parametersOf(spec));
  const model = await compile(spec, { engine: reference(), parameters });
  const { y } = await model.predict(rows(x));
  x.forEach((row, at) => {
    const gates = under(parameters, "levels/0/gates/y/");
    const logits = affine(row, gates, "0/kernel");
    const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
    const mixed = row.map((z) => z);
    for (let e = 0; e < 3; e++) {
      const p = under(parameters, `levels/0/experts/crossed/${e}/`);
      const inner = affine(affine(row, p, "0/kernel").map(Math.tanh), p, "1/kernel").map(Math.tanh);
      const product = affine(inner, p, "2/kernel", "2/bias");
      product.forEach((z, i) => mixed[i] += Math.exp(logits[e]) / total * row[i] * z);
    }
    const [wanted] = affine(mixed, under(parameters, "tasks/y/head/"), "0/kernel", "0/bias");
    assertAlmostEquals(y[at], wanted, 1e-5 * Math.max(1, Math.abs(wanted)));
  });
  model.dispose();

  const [one, net] = [
    mixture(1, (x) => mul(x, dense(6)(x))),
    define({ input: 6, tasks: { y: regression(crossNet(1)) } }),
  ];
  const given = filled(parametersOf(net));
  const same = {
    ...initialise(one, 0),
    "levels/0/experts/crossed/0/0/kernel": given["tasks/y/tower/0/kernel"],
    "levels/0/experts/crossed/0/0/bias": given["tasks/y/tower/0/bias"],
    "tasks/y/head/0/kernel": given["tasks/y/head/0/kernel"],
    "tasks/y/head/0/bias": given["tasks/y/head/0/bias"],
  };
  const models = [
    await compile(one, { engine: reference(), parameters: same }),
    await compile(net, { engine: reference(), parameters: given }),
  ];
  const [found, wanted] = await Promise.all(models.map((model) => model.predict(rows(x))));
  found.y.forEach((number, at) => assertAlmostEquals(number, wanted.y[at], 1e-5));
  models.forEach((model) => model.dispose());
});

Deno.test("fm over embed() with a head of its own is a factorisation machine", async () => {
  const input = fit({ user: category(), item: category(), day: category() }, {
    user: ["a", "b", "c"],
    item: ["p", "q", "r"],
    day: ["x", "y", "y"],
  });
  const spec = define({
    input,
    tasks: { y: binary(pipe(), { adds: { input: pipe(embed(2, { stacked: true }), fm) } }) },
  });
  const parameters = filled(parametersOf(spec));
  const model = await compile(spec, { engine: reference(), parameters });
  const data = encode(input, { user: ["b", null], item: ["p", "r"], day: ["z", "y"] });
  const { y } = await model.predict(data);
  const widths = { user: 5, item: 5, day: 4 };
  for (let row = 0; row < 2; row++) {
    let start = 0;
    let logit = parameters["tasks/y/head/0/bias"].data[0];
    const vectors = Object.entries(widths).map(([name, width], column) => {
      const code = data.inputs.category[3 * row + column];
      logit += parameters["tasks/y/head/0/kernel"].data[start + code];
      start += width;
      const table = parameters[`tasks/y/adds/input/0/${name}`].data;
      return [0, 1].map((k) => code === 0 ? 0 : table[2 * (code - 1) + k]);
    });
    for (let i = 0; i < 3; i++) {
      for (let j = i + 1; j < 3; j++) logit += vectors[i][0] * vectors[j][0] + vectors[i][1] * vectors[j][1];
    }
    assertAlmostEquals(y[row], sigmoid(logit), 1e-6);
  }
  model.dispose();
});

Deno.test("interactions say what is wrong", () => {
  const table: [net: Net, message: string][] = [
    [
      fm,
      "Cannot apply fm: vectors [batch, fields, k] are needed, found [batch, 6]: wanted those of embed(k, { stacked: true })",
    ],
    [squeezeExcite(), "Cannot apply squeezeExcite: vectors [batch, fields, k] are needed, found [batch, 6]"],
    [gateUnit(6), "Cannot apply gateUnit: columns beside the prior are needed, found [batch, 6] with a prior of 6"],
  ];
  for (const [net, message] of table) {
    const error = assertThrows(() => define({ input: 6, tasks: { y: regression(net) } }), SpecError);
    assert(error.message.includes(message), error.message);
  }
  assertThrows(
    () => crossNet(0),
    RangeError,
    "Cannot apply crossNet: layers must be a whole number of at least 1, found 0",
  );
  assertThrows(() => crossNet(1, { rank: 0.5 }), RangeError, "Cannot apply crossNet: rank must be a whole number");
  assertThrows(() => gateUnit(0), RangeError, "Cannot apply gateUnit: prior must be a whole number");
  assertThrows(
    () => gateUnit(1, [], { gamma: 0 }),
    RangeError,
    "Cannot apply gateUnit: gamma must be above 0, found 0",
  );
  assertThrows(
    () => gateUnit(1, [relu, 3 as never]),
    TypeError,
    "Cannot apply gateUnit: layers must be a list of functions",
  );
  assertThrows(() => squeezeExcite(0.5), RangeError, "Cannot apply squeezeExcite: ratio must be at least 1, found 0.5");
});

/** `gamma sigmoid(relu(x W + b) W' + b') h`. */
function gated(h: readonly number[], x: readonly number[], p: Parameters, layer: string, gamma: number): number[] {
  const hidden = affine(x, p, `${layer}/kernel`, `${layer}/bias`).map(relued);
  const gate = affine(hidden, p, `${layer}/outKernel`, `${layer}/outBias`);
  return h.map((z, i) => z * gamma * sigmoid(gate[i]));
}

function affine(x: readonly number[], parameters: Parameters, kernel: string, bias?: string): number[] {
  const { shape: [, units], data } = parameters[kernel];
  return Array.from({ length: units }, (_, j) => {
    let y = bias === undefined ? 0 : parameters[bias].data[j];
    for (let i = 0; i < x.length; i++) y += x[i] * data[i * units + j];
    return y;
  });
}

function filled(parameters: ReturnType<typeof parametersOf>): Record<string, Tensor> {
  return Object.fromEntries(parameters.map(({ path, shape }) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return [path, { shape, data: Float32Array.from({ length: size }, () => source.normal()) }];
  }));
}

function doubled(parameters: Record<string, Tensor>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(parameters).map(([path, { shape, data }]) => [path, { shape, data: Float64Array.from(data) }]),
  );
}

function under(parameters: Parameters, prefix: string): Parameters {
  const found = Object.entries(parameters).filter(([path]) => path.startsWith(prefix));
  return Object.fromEntries(found.map(([path, tensor]) => [path.slice(prefix.length), tensor]));
}

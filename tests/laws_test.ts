import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  bank,
  binary,
  check,
  define,
  dense,
  type Gate,
  layer,
  level,
  mix,
  mmoe,
  type Net,
  omoe,
  pipe,
  relu,
  residual,
  rows,
  sharedBottom,
  softmax,
} from "../mod.ts";
import { add, constant, mul, sum } from "../lib/ops.ts";
import { initialise, parametersOf, type Tensor } from "../lib/graph.ts";
import { ops } from "../lib/ops/table.ts";
import type { Op } from "../lib/ops/value.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { trace } from "../lib/trace/trace.ts";
import { losses } from "../lib/trace/losses.ts";
import { plan, trainingStep } from "../lib/graph.ts";
import { adam } from "../lib/optimisers/adam.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { batchTensors, noiseTensors } from "../lib/model/feed.ts";
import { cases } from "./cases.ts";
import { architectures, base, expert, predictions, sample, tasks, tower } from "./models.ts";

const engine = reference();
const data = sample(9);

Deno.test("along() of an op names the axes that one changed element crosses", async () => {
  const seen = new Set<string>();
  const crossing = new Set<string>();
  for (const { name, build, inputs, store = {} } of cases) {
    const value = build();
    const [first] = value.of;
    if (first === undefined || first.of.length > 0 || first.type !== "float" || first.op === "constant") continue;
    const { along, inPlace } = ops[value.op];
    const leaf = first.attrs.name as string;
    const run = async (at?: number) => {
      const moved = (tensors: Readonly<Record<string, Tensor>>) => {
        const found = at === undefined ? undefined : tensors[leaf];
        return found === undefined
          ? tensors
          : { ...tensors, [leaf]: { ...found, data: found.data.map((x, i) => i === at ? x + 0.37 : x) } };
      };
      const program = engine.load(graphOf({ y: value }), engine.store(moved(store)));
      return (await program.run(moved(inputs()))).y;
    };
    const { shape, data } = inputs()[leaf] ?? store[leaf];
    const before = await run();
    const axes = along(value);
    const [from, to] = [shape.length, before.shape.length];
    const batch = first.shape.indexOf("batch");
    for (let at = 0; at < data.length; at += Math.ceil(data.length / 6)) {
      const place = placeOf(at, shape);
      const after = await run(at);
      after.data.forEach((number, i) => {
        if (Object.is(number, before.data[i])) return;
        const reached = placeOf(i, before.shape);
        const text = `${name}: ${place} to ${reached}`;
        seen.add(value.op);
        if (batch >= 0 && !axes.includes(batch)) {
          assertEquals(reached[value.shape.indexOf("batch")], place[batch], text);
        }
        if (!inPlace || to < from) return;
        place.forEach((index, axis) => {
          const same = reached[axis + to - from] === index;
          if (axes.includes(axis)) same || crossing.add(value.op);
          else assert(same || shape[axis] === 1, text);
        });
      });
    }
  }
  const unseen = Object.keys(ops).filter((op) => ops[op as Op].arity !== 0 && !seen.has(op));
  const coded = ["pick", "multiHot", "scatterAdd", "weightedHot", "weightedScatter"]; // codes come first
  assertEquals(unseen, [...coded, "inTraining"]); // which no engine runs
  assertEquals([...crossing], ["sum", "max", "softmax", "topMask", "runningSum"]);
});

Deno.test("mmoe() of one expert is sharedBottom(), parameters included", () => {
  assertEquals(define(mmoe({ ...base, experts: 1 })).levels[0].experts, define(sharedBottom(base)).levels[0].experts);
  assertEquals(
    parametersOf(define(mmoe({ ...base, experts: 1 }))),
    parametersOf(define(sharedBottom(base))),
  );
});

Deno.test("mmoe() of one expert predicts as sharedBottom() from the same seed", async () => {
  const [one, other] = [define(mmoe({ ...base, experts: 1 })), define(sharedBottom(base))];
  assertEquals(await predictions(one, data, { seed: 3 }), await predictions(other, data, { seed: 3 }));
});

Deno.test("mix() of one expert is the expert, whatever its gate", () => {
  const table = (gate?: Gate) =>
    define({
      input: 5,
      levels: [level({ shared: bank(1, expert) }, { shared: mix("shared", gate) })],
      tasks,
    });
  assertEquals(table((x, experts) => dense(experts)(x)), table());
});

Deno.test("omoe() of one expert is sharedBottom()", () => {
  assertEquals(define(omoe({ ...base, experts: 1 })), define(sharedBottom(base)));
});

Deno.test("mmoe() with equal gates predicts as omoe()", async () => {
  const one = define(omoe({ ...base, experts: 4 }));
  const parameters = initialise(one, 5);
  const { "levels/0/gates/shared/0/kernel": gate, ...rest } = parameters;
  const tied = { ...rest, "levels/0/gates/income/0/kernel": gate, "levels/0/gates/marital/0/kernel": gate };
  assertEquals(
    await predictions(define(mmoe({ ...base, experts: 4 })), data, { parameters: tied }),
    await predictions(one, data, { parameters }),
  );
});

Deno.test("permuting experts with their gate columns changes no prediction", async () => {
  const spec = define(mmoe({ ...base, experts: 3 }));
  const parameters = initialise(spec, 1);
  const order = [2, 0, 1];
  const permuted = Object.fromEntries(
    Object.keys(parameters).map((path) => {
      const [, place, rest] = /^levels\/0\/experts\/shared\/(\d)\/(.*)$/.exec(path) ?? [];
      if (rest !== undefined) {
        return [path, parameters[`levels/0/experts/shared/${order[Number(place)]}/${rest}`]];
      }
      return [path, path.includes("/gates/") ? columnsInOrder(parameters[path], order) : parameters[path]];
    }),
  );
  near(await predictions(spec, data, { parameters: permuted }), await predictions(spec, data, { parameters }), 1e-7);
  assertNotEquals(permuted, parameters);
});

Deno.test("renaming and reordering tasks permutes predictions and changes nothing else", async () => {
  const spec = define(mmoe({ ...base, experts: 3 }));
  const other = define(mmoe({ ...base, experts: 3, tasks: { wed: tasks.marital, rich: tasks.income } }));
  const parameters = initialise(spec, 2);
  const renamed = Object.fromEntries(
    Object.entries(parameters).map(([path, value]) => [
      path.replace(/\/income\//, "/rich/").replace(/\/marital\//, "/wed/"),
      value,
    ]),
  );
  const before = await predictions(spec, data, { parameters });
  const after = await predictions(other, data, { parameters: renamed });
  assertEquals(after.rich, before.income);
  assertEquals(after.wed, before.marital);
});

Deno.test("permuting rows permutes predictions, and every row stands for itself", async () => {
  const lists = Array.from(
    { length: data.count },
    (_, row) => Array.from(data.inputs.input.subarray(row * 5, row * 5 + 5)),
  );
  for (const [name, spec] of Object.entries(architectures)) {
    const all = await predictions(spec, data);
    const reversed = await predictions(spec, rows([...lists].reverse()));
    assertEquals([...reversed.income].reverse(), [...all.income], name);
    for (const row of [0, 4]) {
      const alone = await predictions(spec, rows([lists[row]]));
      assertEquals([alone.income[0], alone.marital[0]], [all.income[row], all.marital[row]], name);
    }
  }
});

Deno.test("define() gives every parameter a gradient that is not zero", async () => {
  const many = sample(60);
  for (const [name, spec] of Object.entries(architectures)) {
    const { logits, auxiliary, moves } = trace(spec, true);
    const { total } = losses(spec.tasks, { logits, auxiliary });
    const parameters = inOrder([total]).filter((value) => value.op === "parameter");
    const found = gradients(total, parameters);
    const outputs = Object.fromEntries(parameters.map(({ attrs }, i) => [attrs.name as string, found[i]]));
    const program = graphOf(outputs);
    const batch = batchTensors(spec, many);
    const moved = new Set<string>();
    for (const seed of [4, 5, 6]) { // the units of a small expert may all be 0 from one seed
      const noise = noiseTensors(program, many.count, `${seed}`);
      const numbers = await engine.load(program, engine.store(initialise(spec, seed))).run({ ...batch, ...noise });
      for (const [path, { data }] of Object.entries(numbers)) if (data.some((number) => number !== 0)) moved.add(path);
    }
    Object.keys(moves).forEach((path) => moved.add(path)); // by a rule, not by a gradient
    assertEquals([...moved].sort(), parametersOf(spec).map(({ path }) => path).sort(), name);
  }
});

Deno.test("check() returns what JSON has kept of a spec", () => {
  for (const [name, spec] of Object.entries({ ...architectures, custom: custom() })) {
    assertEquals(check(JSON.parse(JSON.stringify(spec))), spec, name);
  }
});

Deno.test("initialise() changes no value when a task or an expert is added", () => {
  const before = initialise(define(mmoe({ ...base, experts: 3 })), 7);
  const more = { ...tasks, age: binary(tower) };
  const after = initialise(define(mmoe({ ...base, experts: 5, tasks: more })), 7);
  for (const [path, value] of Object.entries(before)) {
    if (!path.includes("/gates/")) assertEquals(after[path], value, path);
  }
  assertNotEquals(initialise(define(mmoe({ ...base, experts: 3 })), 8), before);
});

Deno.test("initialise() draws every expert from the distribution of its own matrix", () => {
  const width = 300, units = 100;
  const spec = define(mmoe({ ...base, input: width, experts: 4, expert: dense(units) }));
  const values = initialise(spec, 0);
  const kernels = [0, 1, 2, 3].map((at) => Float64Array.from(values[`levels/0/experts/shared/${at}/0/kernel`].data));
  const wanted = Math.sqrt(2 / (width + units)); // the deviation of Glorot's uniform distribution
  kernels.forEach((kernel, at) => {
    const deviation = Math.sqrt(kernel.reduce((total, number) => total + number ** 2, 0) / kernel.length);
    assert(Math.abs(deviation / wanted - 1) < 0.02, `expert ${at}: ${deviation}, wanted ${wanted}`);
    assert(Math.max(...kernel.map(Math.abs)) <= wanted * Math.sqrt(3) + 1e-9);
    for (const other of kernels.slice(at + 1)) assert(Math.abs(correlation(kernel, other)) < 0.03);
  });
});

Deno.test("initialise() breaks the symmetry of the units of an expert", () => {
  const kernel = initialise(define(sharedBottom(base)), 0)["levels/0/experts/shared/0/0/kernel"];
  const columns = [0, 1, 2, 3, 4, 5].map((unit) => Array.from(kernel.data).filter((_, i) => i % 6 === unit).join());
  assertEquals(new Set(columns).size, 6);
});

Deno.test("define() ties what one entry applies twice, and copies for every entry", () => {
  const layer = dense(4);
  const twice = pipe(dense(4), relu, layer, relu, layer);
  const levels = [level({ shared: bank(2, twice) }, { shared: mix("shared", softmax) })];
  const spec = define({ input: 5, levels, tasks });
  const paths = parametersOf(spec).map(({ path }) => path).filter((path) => path.startsWith("levels/0/experts"));
  assertEquals(
    paths,
    [0, 1].flatMap((at) =>
      ["0/kernel", "0/bias", "1/kernel", "1/bias"].map((rest) => `levels/0/experts/shared/${at}/${rest}`)
    ),
  );
});

Deno.test("define() builds nothing that no tower reads", () => {
  const spec = define({
    input: 5,
    levels: [
      level({ shared: bank(2, expert), unread: bank(3, expert) }, {
        shared: mix("shared", softmax),
        other: mix("unread", softmax),
      }),
    ],
    tasks,
  });
  assertEquals(Object.keys(spec.levels[0].experts), ["shared"]);
  assertEquals(Object.keys(spec.levels[0].gates), ["shared"]);
});

Deno.test("define() lets a reader take its own stream, else shared, else the input", () => {
  const spec = define({
    input: 5,
    levels: [
      level({ shared: bank(2, dense(4)) }, { shared: mix("shared", softmax), income: mix("shared", softmax) }),
      level({ income: bank(2, dense(4)), other: bank(1, dense(4)) }, { income: mix(["income", "other"], softmax) }),
    ],
    tasks: { ...tasks, age: binary(tower, { reads: "input" }) },
  });
  assertEquals(spec.levels[1].experts.income.reads, "income");
  assertEquals(spec.levels[1].experts.other.reads, "shared");
  assertEquals(spec.levels[0].experts.shared.reads, "input");
  assertEquals(Object.values(spec.tasks).map(({ reads }) => reads), ["income", "shared", "input"]);
});

Deno.test("define() keeps what a user's own functions compute", async () => {
  const spec = custom();
  const parameters = initialise(spec, 3);
  const cross = parameters["levels/0/experts/shared/0/0/kernel"].data;
  const bias = parameters["levels/0/experts/shared/0/0/bias"].data[0];
  const head = parameters["tasks/click/head/0/kernel"].data;
  const x = [0.5, -1, 2];
  const score = x.reduce((total, number, i) => total + number * cross[i], bias);
  const logit = x.reduce((total, number, i) => total + (number * score + number) * head[i], 0);
  const found = await predictions(spec, rows([x]), { parameters });
  assert(Math.abs(found.click[0] - 1 / (1 + Math.exp(-logit))) < 1e-6);
});

Deno.test("trainingStep() moves a parameter against its gradient by the formulas of Adam", async () => {
  const spec = define({ input: 1, tasks: { click: binary() } });
  const zeros = (name: string) => [name, { shape: [2], data: new Float32Array(2) }] as const;
  const store = engine.store(
    Object.fromEntries([zeros("parameters"), zeros("optimiser/mean"), zeros("optimiser/square")]),
  );
  const program = engine.load(trainingStep(plan(spec, { fuse: false }), adam(0.1, { epsilon: 1e-8 })), store);
  const batch = batchTensors(spec, rows([[2], [-1]], { labels: { click: [1, 0] } }));
  let [w, b, m, v] = [0, 0, [0, 0], [0, 0]];
  for (let step = 1; step <= 3; step++) {
    const scalar = (value: number) => ({ shape: [], data: new Float64Array([value]) });
    const scale = 0.1 * Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step);
    const epsilon = 1e-8 * Math.sqrt(1 - 0.999 ** step);
    await program.run({ ...batch, scale: scalar(scale), epsilon: scalar(epsilon) });
    const errors = [[2, 1], [-1, 0]].map(([x, y]) => ({ x, error: 1 / (1 + Math.exp(-(w * x + b))) - y }));
    const g = [
      errors.reduce((total, { x, error }) => total + x * error / 2, 0),
      errors.reduce((total, { error }) => total + error / 2, 0),
    ];
    m = m.map((mean, i) => 0.9 * mean + 0.1 * g[i]);
    v = v.map((square, i) => 0.999 * square + 0.001 * g[i] ** 2);
    const moved = m.map((mean, i) => 0.1 * (mean / (1 - 0.9 ** step)) / (Math.sqrt(v[i] / (1 - 0.999 ** step)) + 1e-8));
    [w, b] = [w - moved[0], b - moved[1]];
    const { data } = await store.read("parameters");
    assert(Math.abs(data[0] - w) < 1e-9 && Math.abs(data[1] - b) < 1e-9, `${[...data]}, wanted ${[w, b]}`);
  }
});

Deno.test("task names are types", async () => {
  const spec = define({ input: 2, tasks: { income: binary(), marital: binary() } });
  const found = await predictions(spec, rows([[1, 2]]));
  // @ts-expect-error: there is no task of this name
  found.incom;
  // @ts-expect-error: a task is missing
  const _wrong: Record<"income" | "marital" | "age", Float32Array> = found;
  assertEquals(found.income.length, 1);
});

function custom() {
  const cross: Net = (x) => add(mul(x, dense(1)(x)), x);
  const uneven = (x: Parameters<Net>[0], experts: number) =>
    mul(softmax(x, experts), constant(Array.from({ length: experts }, (_, at) => at === 0 ? 1 : 0)));
  const normed = layer((parameter, x) => mul(x, parameter("scale", [3], { kind: "constant", value: 1 })));
  const sums: Net = (x) => add(x, mul(sum(x, { keep: true }), 0));
  return define({
    input: 3,
    levels: [level({ shared: bank(1, pipe(cross, normed, sums)), other: bank(1, residual(dense(3))) }, {
      shared: mix(["shared", "other"], (x, experts) => selectFirst(uneven(x, experts))),
    })],
    tasks: { click: binary() },
  });
}

/** Weights with all on the first expert, whatever the gate says: the gate still has to be computed. */
function selectFirst(weights: Parameters<Net>[0]): Parameters<Net>[0] {
  return add(mul(weights, 0), constant([1, 0]));
}

function columnsInOrder({ shape, data }: Tensor, order: readonly number[]): Tensor {
  const columns = shape[1];
  return { shape, data: Float32Array.from(data, (_, i) => data[i - i % columns + order[i % columns]]) };
}

function near(a: Record<string, Float32Array>, b: Record<string, Float32Array>, tolerance: number): void {
  for (const [task, numbers] of Object.entries(a)) {
    numbers.forEach((number, row) => assert(Math.abs(number - b[task][row]) <= tolerance, `${task} at row ${row}`));
  }
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) [ab, aa, bb] = [ab + a[i] * b[i], aa + a[i] ** 2, bb + b[i] ** 2];
  return ab / Math.sqrt(aa * bb);
}

/** The indices of an element, axis by axis. */
function placeOf(at: number, shape: readonly number[]): number[] {
  return shape.map((length, axis) => Math.floor(at / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % length);
}

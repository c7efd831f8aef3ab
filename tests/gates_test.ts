import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  bank,
  binary,
  category,
  compile,
  cpu,
  crossStitch,
  define,
  dense,
  encode,
  type Engine,
  featuresOf,
  fit,
  fixed,
  type Gate,
  gateReport,
  gateTable,
  level,
  mix,
  mmoe,
  type Model,
  type Net,
  numeric,
  pipe,
  ple,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  softmax,
  type Spec,
  topK,
} from "../mod.ts";
import { broadcast, constant, exp, mul, type Value } from "../lib/ops.ts";
import { initialise, type Tensor } from "../lib/graph.ts";
import { everything } from "../lib/graph/rules.ts";
import { permutation, random } from "../lib/data/random.ts";
import { addRow, type GateStatistics, noSums, statistics } from "../lib/inspect/gate_sums.ts";
import { warningsOf } from "../lib/inspect/gate_warnings.ts";
import { gateWeights, segmentWeights } from "../lib/svg.ts";
import { architectures, sample } from "./models.ts";

Deno.test("statistics() are as written from their definitions", () => {
  for (const experts of [2, 3, 8]) {
    const weights = randomGate(experts, 60, `definitions ${experts}`);
    const found = statisticsOf(weights.flat(), experts);
    const of = (expert: number) => weights.map((row) => row[expert]);
    const each = <T>(one: (expert: number) => T) => Array.from({ length: experts }, (_, expert) => one(expert));
    const sums = weights.map((row) => row.reduce((a, b) => a + b));
    const full = weights.filter((_, row) => sums[row] > 0);
    const shares = full.map((row) => row.map((w) => w / row.reduce((a, b) => a + b)));
    const onTop = (row: readonly number[], expert: number) => {
      const best = Math.max(...row);
      return best > 0 && row[expert] === best ? 1 / row.filter((w) => w === best).length : 0;
    };
    const mean = each((expert) => average(of(expert)));
    const total = mean.reduce((a, b) => a + b);
    near(found.mean, mean);
    near(found.top, each((expert) => average(weights.map((row) => onTop(row, expert)))));
    near(found.load, each((expert) => average(of(expert).map((w) => Number(w > 0)))));
    assertEquals([found.rows, found.dropped], [60, sums.filter((sum) => sum === 0).length / 60]);
    assert(found.dropped > 0 && found.load[0] < 1);
    const entropy = average(shares.map(entropyOf));
    near([found.entropy!, found.evenness!], [entropy, entropy / Math.log(experts)]);
    near([found.entropyOfMean!], [entropyOf(mean.map((w) => w / total))]);
    near([found.effective!], [Math.exp(entropyOf(mean.map((w) => w / total)))]);
    const deviations = each((expert) => Math.sqrt(average(of(expert).map((w) => (w - mean[expert]) ** 2))));
    near([found.deviation], [Math.max(...deviations)]);
  }
});

Deno.test("statistics() keep to their bounds, and permuted experts give permuted shares", () => {
  for (const experts of [2, 5, 16]) {
    const weights = randomGate(experts, 40, `bounds ${experts}`);
    const { mean, top, load, dropped, entropy, effective } = statisticsOf(weights.flat(), experts);
    assertAlmostEquals(top.reduce((a, b) => a + b) + dropped, 1, 1e-12);
    assert(effective! >= 1 && effective! <= experts + 1e-9);
    const order = [...permutation(experts, random(experts))];
    const permuted = statisticsOf(weights.flatMap((row) => order.map((expert) => row[expert])), experts);
    near(permuted.mean, order.map((expert) => mean[expert]));
    near(permuted.top, order.map((expert) => top[expert]));
    near(permuted.load, order.map((expert) => load[expert]));
    near([permuted.entropy!, permuted.effective!], [entropy!, effective!]);
  }
});

Deno.test("statistics() of known gates", () => {
  const repeated = (row: readonly number[]) => Array<readonly number[]>(100).fill(row).flat();
  const facts = (
    { entropy, effective, deviation, dropped }: GateStatistics,
  ) => [entropy, effective, deviation, dropped];
  const uniform = statisticsOf(repeated([0.25, 0.25, 0.25, 0.25]), 4);
  near(facts(uniform) as number[], [Math.log(4), 4, 0, 0]);
  assertEquals([uniform.evenness, uniform.top], [1, [0.25, 0.25, 0.25, 0.25]]);
  assertEquals(facts(statisticsOf(repeated([0, 1]), 2)), [0, 1, 0, 0]);
  const decided = statisticsOf([...repeated([0, 1]), ...repeated([1, 0])], 2);
  near(facts(decided) as number[], [0, 2, 0.5, 0]);
  near(facts(statisticsOf(repeated([1.5, 0.5]), 2)) as number[], [entropyOf([0.75, 0.25]), 1.754765, 0, 0], 1e-6);
  near(facts(statisticsOf(repeated([0.4, 0]), 2)) as number[], [0, 1, 0, 0]); // top-1 without renormalising
  assertEquals(facts(statisticsOf(repeated([0, 0]), 2)), [null, null, 0, 1]);
  assertEquals(facts(statisticsOf(repeated([1.25, -0.25]), 2)), [null, null, 0, 0]);
  const far = statisticsOf(Array.from({ length: 2000 }, (_, i) => 1e6 + (i >> 1) % 2 / 100), 2);
  assertAlmostEquals(far.deviation, 0.005, 1e-6); // small beside the mean
});

Deno.test("gateReport() has the weights that inspect() returns, on every engine, whatever the pieces", async () => {
  const engines: Engine[] = [reference(), await cpu()];
  for (const engine of engines) {
    for (const name of ["omoe", "mmoe", "two banks", "two levels"]) {
      const model = await compile(architectures[name], { engine, seed: 5 });
      const data = sample(2100); // pieces of 1024, 1024 and 52 rows
      const { gates } = await model.inspect(data);
      const report = await gateReport(model, data);
      assertEquals(report.gates.map(({ gate }) => gate), Object.keys(gates));
      for (const { gate, level, stream, experts, ...found } of report.gates) {
        assertEquals(gate, `${level}/${stream}`);
        const wanted = statisticsOf([...gates[gate]], experts.length); // of weights rounded to float32
        near(Object.values(found).flat() as number[], Object.values(wanted).flat() as number[], 1e-6);
        assertEquals([found.rows, found.load], [2100, wanted.load]);
      }
      assertEquals(JSON.parse(JSON.stringify(report)), report);
      model.dispose();
    }
  }
});

Deno.test("gateReport() names experts by bank and index, in the order of the gate's weights", async () => {
  const values = [0.5, 0.25, 0.125, 0.0625, 0.0625];
  const fixed: Gate = (x, experts) => relu(dense(experts)(x));
  const spec = define({
    input: 1,
    levels: [
      level({ a: bank(2, dense(1)), b: bank(3, dense(1)) }, { y: mix(["b", "a"], fixed), z: mix("a", softmax) }),
    ],
    tasks: { y: regression(), z: regression() },
  });
  const model = await assigned(spec, {
    "levels/0/gates/y/0/kernel": new Array(5).fill(0),
    "levels/0/gates/y/0/bias": values,
  });
  const { gates: [y, z] } = await gateReport(model, rows([[1], [2]]));
  assertEquals([y.experts, y.mean], [["b/0", "b/1", "b/2", "a/0", "a/1"], values]);
  assertEquals([z.gate, z.experts], ["0/z", ["a/0", "a/1"]]);
  model.dispose();
});

Deno.test("gateReport() says that a uniform gate is uniform, and that it does not depend on the row", async () => {
  const model = await assigned(oneGate(4), { "levels/0/gates/y/0/kernel": new Array(8).fill(0) });
  const { gates: [gate], warnings } = await gateReport(model, twoWide(50));
  assertEquals([gate.mean, gate.top, gate.load], [[0.25, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25], [1, 1, 1, 1]]);
  near([gate.entropy!, gate.evenness!, gate.effective!], [Math.log(4), 1, 4]);
  assertEquals(warnings.map(({ kind, gate, message }) => [kind, gate, message]), [
    ["constant", "0/y", "gate 0/y does not depend on the row: its weights deviate by at most 0e+0"],
  ]);
  assertEquals((await gateReport(model, twoWide(1))).warnings, []); // one row says nothing of the others
  model.dispose();
});

Deno.test("gateReport() warns of a gate that has collapsed, and of the experts that it leaves", async () => {
  const kernel = [0, 0, 40, 0, 0, 0, 0, 0]; // expert 2 by the first column, which is positive
  const model = await assigned(oneGate(4), { "levels/0/gates/y/0/kernel": kernel });
  const { gates: [gate], warnings } = await gateReport(model, twoWide(50));
  assert(gate.mean[2] > 0.99 && gate.effective! < 1.1);
  assertEquals(warnings.map(({ kind, level, experts }) => [kind, level, experts]), [
    ["collapsed", 0, ["shared/2"]],
    ["dead", 0, ["shared/0", "shared/1", "shared/3"]],
  ]);
  assertMatch(
    warnings[0].message,
    /^gate 0\/y has collapsed: expert shared\/2 has (0\.99\d|1\.000) of its mean weight$/,
  );
  assertEquals(
    warnings[1].message,
    "experts shared/0, shared/1 and shared/3 of level 0 are dead: gate 0/y gives them the largest weight in fewer than " +
      "1 row of 1,000, and less than a tenth of an equal share",
  );
  model.dispose();
});

Deno.test("gateReport() calls no expert dead that one of several gates uses", async () => {
  const spec = define(mmoe({ input: 2, expert: dense(2), experts: 3, tasks: { a: regression(), b: regression() } }));
  const report = async (a: readonly number[], b: readonly number[]) => {
    const model = await assigned(spec, { "levels/0/gates/a/0/kernel": a, "levels/0/gates/b/0/kernel": b });
    const { warnings } = await gateReport(model, twoWide(50));
    model.dispose();
    return warnings.map(({ kind, gate, experts }) => [kind, gate ?? "", experts.join(" ")].join(" ").trim());
  };
  const [first, second] = [[40, 0, 0, 0, 0, 0], [0, 40, 0, 0, 0, 0]];
  const both = ["collapsed 0/a shared/0", "collapsed 0/b shared/1"];
  assertEquals(await report(first, second), [...both.map(String), "dead  shared/2"]);
  const even = [0, 0, 0, 1, 1, 1.1];
  assertEquals(await report(first, even), ["collapsed 0/a shared/0"]);
});

Deno.test("warningsOf() draws its lines where it says", () => {
  const kinds = (weights: readonly (readonly number[])[], count = weights[0].length) => {
    const spec = oneGate(count);
    const found = statisticsOf(weights.flat(), count);
    const experts = Array.from({ length: count }, (_, at) => `shared/${at}`);
    const gate = { gate: "0/y", level: 0, stream: "y", experts, ...found };
    return warningsOf(spec, [gate], initialise(spec, 1)).map(({ kind, experts }) => [kind, ...experts].join(" "));
  };
  const both = (...rows: readonly (readonly [number, readonly number[]])[]) =>
    rows.flatMap(([count, row]) => Array<readonly number[]>(count).fill(row));
  const cases: readonly (readonly [readonly (readonly number[])[], readonly string[]])[] = [
    [both([500, [0.95, 0.05]], [500, [0.9, 0.1]]), []],
    [both([500, [0.9, 0.1]], [500, [0.99, 0.01]]), []], // 0.945
    [both([500, [0.93, 0.07]], [500, [0.99, 0.01]]), ["collapsed shared/0", "dead shared/1"]], // 0.96, 0.04 below 0.05
    [both([960, [1, 0]], [40, [0, 1]]), ["collapsed shared/0"]], // top-1, on top in 40 rows
    [both([9999, [1, 0]], [1, [0, 1]]), ["collapsed shared/0", "dead shared/1"]],
    [both([500, [0.6, 0.365, 0.035]], [500, [0.4, 0.565, 0.035]]), []],
    [both([500, [0.6, 0.37, 0.03]], [500, [0.4, 0.57, 0.03]]), ["dead shared/2"]],
    [both([500, [0.6, 0.4]], [500, [0.601, 0.399]]), ["constant"]], // a deviation of 0.0005
    [both([500, [0.6, 0.4]], [500, [0.603, 0.397]]), []], // 0.0015
    [both([500, [2, -1]], [500, [3, -1]]), []], // no shares: nothing is reported
  ];
  for (const [weights, wanted] of cases) assertEquals(kinds(weights), wanted);
});

Deno.test("gateReport() finds experts that are identical, after permuting, in one bank of two", async () => {
  const spec = define({
    input: 2,
    levels: [level({ a: bank(4, dense(3)), b: bank(2, dense(3)) }, { y: mix(["a", "b"], softmax) })],
    tasks: { y: regression() },
  });
  const parameters = { ...initialise(spec, 3) };
  const identical = async (change: (all: Record<string, Tensor>) => void) => {
    const all = { ...parameters };
    change(all);
    const model = await compile(spec, { engine: reference(), parameters: all });
    const { warnings } = await gateReport(model, twoWide(20));
    model.dispose();
    return warnings.filter(({ kind }) => kind === "identical").map(({ experts }) => experts);
  };
  const copy = (from: string, to: string, factor = 1) => (all: Record<string, Tensor>) => {
    for (const piece of ["0/kernel", "0/bias"]) {
      const { shape, data } = all[`levels/0/experts/${from}/${piece}`];
      all[`levels/0/experts/${to}/${piece}`] = { shape, data: Float32Array.from(data, (x) => factor * x) };
    }
  };
  assertEquals(await identical(() => {}), []);
  assertEquals(await identical(copy("a/1", "a/3")), [["a/1", "a/3"]]);
  assertEquals(await identical(copy("a/1", "a/3", 1.0005)), [["a/1", "a/3"]]);
  assertEquals(await identical(copy("a/1", "a/3", 1.002)), []);
  assertEquals(await identical(copy("a/0", "b/1")), []); // banks of their own
  assertEquals(await identical((all) => [copy("b/0", "b/1"), copy("a/3", "a/0")].map((one) => one(all))), [
    ["a/0", "a/3"],
    ["b/0", "b/1"],
  ]);
});

Deno.test("gateReport() finds experts whose outputs are constant or identical, whatever their parameters", async () => {
  const spec = define({
    input: 2,
    levels: [
      level({ a: bank(4, pipe(dense(3), relu)), b: bank(2, dense(3)) }, { shared: mix(["a", "b"], softmax) }),
      level({ top: bank(3, dense(2)) }, { y: mix("top", softmax) }),
    ],
    tasks: { y: regression() },
  });
  const initial = initialise(spec, 3);
  const found = async (changes: Readonly<Record<string, readonly number[]>>, rows: number, engine: Engine) => {
    const parameters = { ...initial };
    for (const [path, data] of Object.entries(changes)) {
      const at = `levels/${path.replace("/", "/experts/")}`;
      parameters[at] = { shape: parameters[at].shape, data: Float32Array.from(data) };
    }
    const model = await compile(spec, { engine, parameters });
    const { warnings } = await gateReport(model, twoWide(rows));
    model.dispose();
    return warnings.filter(({ message }) => / what (it|they) compute/.test(message))
      .map(({ kind, level, experts }) => [kind, level, ...experts].join(" "));
  };
  const never = { "0/a/1/0/bias": [-99, -99, -99], "1/top/2/0/kernel": [0, 0, 0, 0, 0, 0] }; // relus of 0, and no row
  const dead = ["dead 0 a/1", "dead 1 top/2"];
  const half = (other: number) => [1, 2, 3, 4, 5, 6].map((weight, at) => at % 3 === 2 ? other : weight);
  const alike = (offset: number) => ({ // but for a unit that is 0 in all rows
    ...{ "0/a/0/0/kernel": half(0.1), "0/a/0/0/bias": [1, 2, -99] },
    ...{ "0/a/3/0/kernel": half(-0.1), "0/a/3/0/bias": [1 + offset, 2, -99] },
  });
  for (const engine of [reference(), { ...await cpu(), rules: everything }]) {
    assertEquals(await found({}, 200, engine), []);
    assertEquals(await found(never, 63, engine), []);
    assertEquals(await found(never, 64, engine), dead);
    assertEquals(await found({ ...never, "0/a/2/0/bias": [-99, -99, -99] }, 200, engine), [
      "dead 0 a/1 a/2",
      "dead 1 top/2",
    ]);
    assertEquals(await found(alike(0), 200, engine), ["identical 0 a/0 a/3"]);
    assertEquals(await found(alike(0.1), 200, engine), []);
    assertEquals(await found({ "0/b/0/0/kernel": [0, 0, 0, 0, 0, 0] }, 200, engine), ["dead 0 b/0"]);
  }
});

Deno.test("gateReport() looks for experts that are constant in all of 1024 rows", async () => {
  const spec = define({
    input: 1,
    levels: [level({ shared: bank(2, pipe(dense(1), relu)) }, { y: mix("shared", softmax) })],
    tasks: { y: regression() },
  });
  const kernel = (weight: number) => ({ shape: [1, 1], data: Float32Array.of(weight) });
  const path = (expert: number) => `levels/0/experts/shared/${expert}/0/kernel`;
  const parameters = { ...initialise(spec, 1), [path(0)]: kernel(1), [path(1)]: kernel(-1) };
  const model = await compile(spec, { engine: reference(), parameters });
  const dead = async (negative: number, count: number) => {
    const input = Float32Array.from({ length: count }, (_, row) => row === negative ? -1 : 1 + row);
    const { warnings } = await gateReport(model, { count, inputs: { input } });
    return warnings.filter(({ message }) => message.includes("for each")).map(({ message }) => message);
  };
  const message = (rows: number) =>
    `expert shared/1 of level 0 is dead: what it computes is the same for each of ${rows} rows`;
  assertEquals(await dead(-1, 100), [message(100)]);
  assertEquals(await dead(99, 100), []);
  assertEquals(await dead(1500, 2000), [message(1024)]);
  model.dispose();
});

Deno.test("gateReport() says nothing of outputs that are the same for every row, or that overflow", async () => {
  const still: Net = () => broadcast(constant(1), ["batch", 3]);
  const reported = async (net: Net, data: Rows, engine: Engine) => {
    const [levels, tasks] = [[level({ shared: bank(2, net) }, { y: mix("shared", softmax) })], { y: regression() }];
    const model = await compile(define({ input: 2, levels, tasks }), { engine });
    const { warnings } = await gateReport(model, data);
    model.dispose();
    return warnings.filter(({ message }) => /what (it|they) compute/.test(message)).length;
  };
  const same = rows(Array(100).fill([1, 2]));
  const huge = pipe(dense(3), (x: Value) => exp(mul(x, 1e6)));
  for (const engine of [reference(), await cpu()]) {
    assertEquals(await reported(still, twoWide(100), engine), 0); // none of the experts reads the rows
    assertEquals(await reported(dense(3), same, engine), 0);
    assertEquals(await reported(pipe(dense(3), (x: Value) => mul(x, 0)), twoWide(100), engine), 1);
    assertEquals(await reported(huge, twoWide(100), engine), 0); // infinite in some of the rows
  }
});

Deno.test("gateReport() finds the peers that start all experts from one seed", async () => {
  const spec = architectures.mmoe;
  const parameters = initialise(spec, 0);
  const same = Object.entries(parameters).map(([path, tensor]) => {
    return [path, parameters[path.replace(/^(levels\/0\/experts\/shared)\/\d+/, "$1/0")] ?? tensor] as const;
  });
  const model = await compile(spec, { engine: reference(), parameters: Object.fromEntries(same) });
  const { warnings } = await gateReport(model, sample(50));
  assertEquals(warnings.map(({ message }) => message), [
    "experts shared/0, shared/1 and shared/2 of level 0 are identical: their parameters differ by less than a thousandth",
  ]);
  model.dispose();
  const bare = define({
    input: 2,
    levels: [level({ plain: bank(12, (x) => x) }, { y: mix("plain", softmax) })],
    tasks: { y: regression() },
  });
  const other = await compile(bare, { engine: reference() });
  const [{ message }] = (await gateReport(other, twoWide(20))).warnings.filter(({ kind }) => kind === "identical");
  assertStringIncludes(
    message,
    "experts plain/0, plain/1, plain/2, plain/3, plain/4, plain/5, plain/6, plain/7 and 4 more of",
  );
  other.dispose();
});

Deno.test("gateReport() does not warn of gates that are meant to ignore the row, or are not shares", async () => {
  const tasks = { a: binary(), b: binary() };
  const spec = define(crossStitch({ input: 2, expert: dense(3), tasks, levels: 2 }));
  const model = await compile(spec, { engine: reference() });
  const { gates, warnings } = await gateReport(model, twoWide(30));
  assertEquals([gates.length, warnings], [4, []]);
  gates.forEach(({ deviation }) => assertEquals(deviation, 0));
  near(gates[0].mean, [0.9, 0.1], 1e-6);
  model.dispose();
});

Deno.test("gateReport() of learned weights and of top-k gates", async () => {
  const y = async (gate: Gate) => {
    const spec = define({
      input: 2,
      levels: [level({ shared: bank(5, dense(2)) }, { y: mix("shared", gate) })],
      tasks: { y: regression() },
    });
    const model = await compile(spec, { engine: reference(), seed: 1 });
    const report = await gateReport(model, twoWide(60));
    model.dispose();
    return { ...report.gates[0], kinds: report.warnings.map(({ kind }) => kind), text: gateTable(report) };
  };
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b);
  const constant = await y(fixed());
  assertEquals([constant.deviation, constant.kinds.includes("constant")], [0, false]);
  for (const k of [1, 2, 4]) {
    const found = await y(topK(k));
    near([sum(found.load), sum(found.top)], [k, 1]);
    assert(found.entropy! <= Math.log(k) + 1e-9 && found.entropy! >= 0);
    assert(k === 1 || Math.abs(sum(found.mean) - 1) < 1e-6);
    assertMatch(found.text, /\n {6}load {2}/);
  }
});

Deno.test("gateReport() warns of a level and its own experts only", async () => {
  const tasks = { a: regression(), b: regression() };
  const spec = define(ple({ input: 2, expert: dense(2), tasks, levels: 2, shared: 2, own: 1 }));
  const path = Object.keys(initialise(spec, 0)).find((name) => name.startsWith("levels/1/gates/a/"))!;
  const model = await compile(spec, { engine: reference(), seed: 4 });
  const all = await model.parameters();
  all[path].data.fill(0);
  model.assign(all);
  const { gates, warnings } = await gateReport(model, twoWide(40));
  assertEquals(gates.map(({ gate }) => gate).sort(), ["0/a", "0/b", "0/shared", "1/a", "1/b"]);
  assertEquals(warnings.map(({ kind, gate, level }) => [kind, gate, level]), [["constant", "1/a", 1]]);
  model.dispose();
});

const jobs = ["baker", "clerk", "smith"];

/** A model of an age and two categories, and rows of it: three words, and every tenth one unknown. */
async function ofJobs(
  count: number,
): Promise<{ readonly model: Model; readonly data: Rows; readonly words: string[] }> {
  const source = random("jobs");
  const words = Array.from(
    { length: count },
    (_, row) => row % 10 === 9 ? "juggler" : jobs[Math.floor(3 * source.uniform() ** 2)],
  );
  const table = { age: words.map(() => 60 * source.uniform()), sex: words.map((_, row) => "fm"[row % 2]), job: words };
  const known = { age: [20, 40, 60], sex: ["f", "m", "f"], job: jobs };
  const features = fit({ age: numeric(), sex: category(), job: category() }, known);
  const spec = define(mmoe({ input: features, expert: dense(3), experts: 3, tasks: { a: binary(), b: binary() } }));
  const model = await compile(spec, { engine: reference(), seed: 3 });
  return { model, data: encode(features, table), words };
}

Deno.test("gateReport() by a feature has the rows of each value, which add up to all", async () => {
  const { model, data, words } = await ofJobs(1500);
  const report = await gateReport(model, data, { by: "job" });
  const { segments = [], by, ...whole } = report;
  assertEquals(by, "job");
  assertEquals(whole, await gateReport(model, data));
  assertEquals(segments.map(({ value }) => value), [...jobs, null]);
  const counts = [...jobs, "juggler"].map((job) => words.filter((word) => word === job).length);
  assertEquals(segments.map(({ rows }) => rows), counts);
  report.gates.forEach((gate, at) => {
    const parts = segments.map(({ rows, gates }) => ({ rows, gate: gates[at] }));
    assert(parts.every(({ rows, gate: { rows: also } }) => rows === also));
    const summed = (of: (gate: GateStatistics) => readonly number[]) =>
      of(gate).map((_, i) => parts.reduce((sum, { rows, gate }) => sum + rows * of(gate)[i], 0) / 1500);
    near(summed(({ mean }) => mean), gate.mean);
    near(summed(({ top }) => top), gate.top);
    near(summed(({ load }) => load), gate.load);
    near(summed(({ entropy, dropped }) => [entropy!, dropped]), [gate.entropy!, gate.dropped]);
  });
  const clerks = words.flatMap((word, row) => word === "clerk" ? [row] : []);
  const weights = (await model.inspect(data)).gates["0/b"];
  const own = statisticsOf(clerks.flatMap((row) => [...weights.slice(3 * row, 3 * row + 3)]), 3);
  near(segments[1].gates[1].mean, own.mean);
  near([segments[1].gates[1].deviation], [own.deviation]);
  assertEquals(JSON.parse(JSON.stringify(report)), report);
  model.dispose();
});

Deno.test("gateReport() by a feature tells missing values from unknown ones", async () => {
  const { model } = await ofJobs(10);
  const features = featuresOf(model.spec);
  const job = [...Array(5).fill("smith"), null, "juggler", null];
  const data = encode(features, { age: job.map(() => 30), sex: job.map(() => "f"), job });
  const report = await gateReport(model, data, { by: "job" });
  const found = report.segments?.map(({ value, reserved, rows }) => [value, reserved, rows]);
  assertEquals(found, [["smith", undefined, 5], [null, "unknown", 1], [null, "missing", 2]]);
  const lines = gateTable(report).split("Gate 0/a by job\n")[1].split("\n").slice(2, 5);
  assertEquals(lines.map((line) => line.split(/ {2,}/)[0]), ["smith", "(missing)", "(no known word)"]);
  const names = segmentWeights(report, "0/a").map(({ name }) => name);
  assertEquals(names, ["smith", "(no known word)", "(missing)"]);
  model.dispose();
});

Deno.test("gateReport() by a feature leaves out values without rows, and marks those with fewer than 100", async () => {
  const { model } = await ofJobs(10);
  const features = (model.spec.input as { features: Parameters<typeof encode>[0] }).features;
  const job = [...Array(100).fill("smith"), ...Array(99).fill("baker")];
  const data = encode(features, { age: job.map(() => 30), sex: job.map(() => "f"), job });
  const report = await gateReport(model, data, { by: "job" });
  assertEquals(report.segments?.map(({ value, rows, few }) => [value, rows, few]), [["baker", 99, true], [
    "smith",
    100,
    false,
  ]]);
  const [, segments] = gateTable(report).split("Gate 0/a by job\n");
  const words = segments.split("\n").slice(0, 4).map((line) => line.split(/ +/));
  assertEquals(words[0], ["value", "rows", "note", "entropy", "effective", "shared/0", "/1", "/2"]);
  assertEquals([words[2].slice(0, 2), words[3].slice(0, 4)], [["smith", "100"], ["baker", "99", "few", "rows"]]);
  assertEquals(segmentWeights(report, "0/b").map(({ name, note }) => [name, note]), [
    ["baker", "99 rows, few"],
    ["smith", "100 rows"],
  ]);
  model.dispose();
});

Deno.test("gateReport() refuses what it cannot look at", async () => {
  const { model, data } = await ofJobs(5);
  const width = await compile(architectures.mmoe, { engine: reference() });
  const none = rows({ count: 0, inputs: { numeric: new Float32Array(), category: new Int32Array() } });
  const cases: readonly (readonly [() => Promise<unknown>, new (text: string) => Error, string])[] = [
    [() => gateReport(model, none), RangeError, "Cannot report gates: there are no rows, wanted at least one"],
    [
      () => gateReport(model, data, { by: "jib" }),
      TypeError,
      'Cannot report gates by "jib": the model has no feature of that name: did you mean "job"?',
    ],
    [
      () => gateReport(model, data, { by: "constructor" }),
      TypeError,
      'Cannot report gates by "constructor": the model has no feature of that name: wanted "sex" or "job"',
    ],
    [
      () => gateReport(model, data, { by: "age" }),
      TypeError,
      'Cannot report gates by "age": the feature is numeric, wanted category or bucketed or hashed or cross: ' +
      "numeric({ boundaries }) makes buckets of a number",
    ],
    [
      () => gateReport(width, sample(3), { by: "job" }),
      TypeError,
      'Cannot report gates by "job": the model reads 5 numbers a row, without names',
    ],
    [
      () => gateReport(model, sample(3)),
      TypeError,
      'Cannot predict: the model has no input "input": it has features, and reads what encode(',
    ],
    [() => gateReport({} as Model, data), TypeError, "Cannot report gates: wanted a model"],
    [() => gateReport(model, data, { bye: "job" } as never), TypeError, "Cannot report gates"],
  ];
  for (const [run, error, message] of cases) await assertRejects(run, error, message);
  model.dispose();
  await assertRejects(() => gateReport(model, data), TypeError, "Cannot report gates: the model is disposed");
  width.dispose();
});

Deno.test("gateReport() names the row and the expert of a weight that is not finite", async () => {
  const huge: Gate = (x, experts) => dense(experts)(x);
  const spec = define({
    input: 1,
    levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", huge) })],
    tasks: { y: regression() },
  });
  const model = await assigned(
    spec,
    { "levels/0/gates/y/0/kernel": [1, 1e30], "levels/0/gates/y/0/bias": [0, 0] },
    await cpu(),
  );
  const lists = Array.from({ length: 1500 }, (_, row) => [row === 1300 ? 1e30 : 1]);
  await assertRejects(
    () => gateReport(model, rows(lists)),
    RangeError,
    'Cannot report gates\n  at row 1300, gate "0/y": the weight of shared/1 is Infinity',
  );
  model.dispose();
});

Deno.test("gateReport() of a model without gates says so", async () => {
  for (const name of ["shared-bottom", "single-task", "linear"]) {
    const model = await compile(architectures[name], { engine: reference() });
    const report = await gateReport(model, sample(20));
    assertEquals(report, { rows: 20, gates: [], warnings: [] });
    assertEquals(gateTable(report), "No gate to look at: every stream is that of a single expert");
    assertEquals(gateWeights(report), []);
    model.dispose();
  }
});

Deno.test("gateReport() runs rows in pieces, each at most 1,024, and keeps none of them", async () => {
  const counts: number[] = [];
  const engine = reference();
  const watched: Engine = {
    ...engine,
    load: (graph, store) => {
      const program = engine.load(graph, store);
      const run = (inputs: Parameters<typeof program.run>[0]) => {
        counts.push(inputs.input.shape[0]);
        return program.run(inputs);
      };
      return { ...program, run };
    },
  };
  const model = await compile(architectures.mmoe, { engine: watched });
  await gateReport(model, sample(2500));
  await gateReport(model, sample(10));
  assertEquals(counts, [1024, 1024, 452, 64, 10]); // 64 rows distinguish what the experts compute
  model.dispose();
});

Deno.test("gateTable() shows a line of weights and one of tops, and the warnings below", async () => {
  const kernel = [0, 0, 40, 0, 0, 0, 0, 0];
  const model = await assigned(oneGate(4), { "levels/0/gates/y/0/kernel": kernel });
  assertEquals(
    gateTable(await gateReport(model, rows([[1, 0], [1, 0]]))).split("\n"),
    [
      "gate  share   entropy  even  effective  shared/0    /1  /2    /3",
      "────  ──────  ───────  ────  ─────────  ────────  ────  ──  ────",
      "y     weight     0.00  0.00       1.00      0.00  0.00   1  0.00",
      "      on top                                0.00  0.00   1  0.00",
      "",
      "Warning: gate 0/y has collapsed: expert shared/2 has 1.000 of its mean weight",
      "Warning: experts shared/0, shared/1 and shared/3 of level 0 are dead: gate 0/y gives them the largest weight in " +
      "fewer than 1 row of 1,000, and less than a tenth of an equal share",
    ],
  );
  model.dispose();
});

Deno.test("gateTable() goes on below after eight experts, and shows the load of gates that leave experts out", () => {
  const experts = [...Array.from({ length: 8 }, (_, at) => `deep/${at}`), "wide/0", "wide/1"];
  const weights = [...Array(7).fill(0), 0.5, 0.5, 0, ...Array(9).fill(0.1), 0.1];
  const gates = [{ gate: "0/y", level: 0, stream: "y", experts, ...statisticsOf(weights, 10) }];
  assertEquals(
    gateTable({ rows: 2, gates, warnings: [] }),
    `gate  share   entropy  even  effective  deep/0    /1    /2    /3    /4
────  ──────  ───────  ────  ─────────  ──────  ────  ────  ────  ────
y     weight     1.50  0.65       6.83    0.05  0.05  0.05  0.05  0.05
      on top                              0.05  0.05  0.05  0.05  0.05
      load                                0.50  0.50  0.50  0.50  0.50

gate  share   deep/5    /6    /7  wide/0    /1
────  ──────  ──────  ────  ────  ──────  ────
y     weight    0.05  0.05  0.30    0.30  0.05
      on top    0.05  0.05  0.30    0.30  0.05
      load      0.50  0.50  1.00    1.00  0.50`,
  );
});

Deno.test("gateTable() shows the twelve largest segments", () => {
  const gate = { gate: "0/y", level: 0, stream: "y", experts: ["a/0", "a/1"], ...statisticsOf([0.5, 0.5], 2) };
  const segments = Array.from({ length: 15 }, (_, at) => ({
    value: at === 3 ? null : at === 4 ? "long ".repeat(20) : `word ${at}`,
    rows: 200 + at,
    few: false,
    gates: [gate],
  }));
  const text = gateTable({ rows: 3105, gates: [gate], warnings: [], by: "rows", segments });
  const lines = text.split("Gate 0/y by rows\n")[1].split("\n");
  assertEquals(lines.length, 2 + 12 + 1);
  assertMatch(lines[2], /^word 14 +214 /);
  assertEquals(lines.filter((line) => line.startsWith("(no known word) ")).length, 1);
  assertEquals(lines.filter((line) => line.startsWith("long long long long long long long long…")).length, 1);
  assertEquals(lines[14], "and 3 more of 603 rows");
});

Deno.test("gateWeights() names gates and experts by level where there are several", async () => {
  const model = await compile(architectures["two levels"], { engine: reference() });
  const report = await gateReport(model, sample(10));
  const lines = gateWeights(report, { of: "top", prefix: "m " });
  assertEquals(lines.map(({ name }) => name), ["m 0/shared", "m 0/income", "m 1/income", "m 1/marital"]);
  assertEquals(lines[3].names, ["1/shared/0", "1/shared/1"]);
  assertEquals(lines[3].experts, report.gates[3].top);
  model.dispose();
});

/** A softmax gate over experts of two inputs. */
function oneGate(experts: number): Spec {
  return define({
    input: 2,
    levels: [level({ shared: bank(experts, dense(2)) }, { y: mix("shared", softmax) })],
    tasks: { y: regression() },
  });
}

/** Rows of two numbers, the first from 1 to 2, the second from -1 to 1. */
function twoWide(count: number): Rows {
  const { uniform } = random("two");
  return rows(Array.from({ length: count }, () => [1 + uniform(), 2 * uniform() - 1]));
}

/** A model with some parameters given. */
function assigned(
  spec: Spec,
  given: Readonly<Record<string, readonly number[]>>,
  engine: Engine = reference(),
): Promise<Model> {
  const parameters = { ...initialise(spec, 1) };
  for (const [path, numbers] of Object.entries(given)) {
    assert(path in parameters, path);
    parameters[path] = { shape: parameters[path].shape, data: Float32Array.from(numbers) };
  }
  return compile(spec, { engine, parameters });
}

function statisticsOf(weights: readonly number[], experts: number): GateStatistics {
  const sums = noSums(experts);
  for (let at = 0; at < weights.length; at += experts) addRow(sums, weights, at);
  return statistics(sums);
}

/** Random weights: softmaxes, some with experts left out, rows on one expert, ties, and rows without weight. */
function randomGate(experts: number, count: number, seed: string): number[][] {
  const { normal, uniform } = random(seed);
  return Array.from({ length: count }, (_, row) => {
    const kept = row % 3 === 0 ? 1 / 2 : 1;
    const weights = Array.from({ length: experts }, () => uniform() < kept ? Math.exp(2 * normal()) : 0);
    if (row % 10 === 9) return weights.map(() => 0);
    if (row % 10 === 8) return weights.map((_, expert) => expert < 2 ? 0.5 : 0);
    const total = weights.reduce((a, b) => a + b);
    return weights.map((weight) => total === 0 ? 1 / experts : weight / total);
  });
}

function near(found: readonly number[], wanted: readonly number[], tolerance = 1e-9): void {
  assertEquals(found.length, wanted.length);
  found.forEach((number, at) => assertAlmostEquals(number, wanted[at], tolerance));
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

function entropyOf(shares: readonly number[]): number {
  return -shares.reduce((sum, share) => share > 0 ? sum + share * Math.log(share) : sum, 0);
}

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  adam,
  type Bank,
  bank,
  type BankOptions,
  check,
  compile,
  cpu,
  define,
  dense,
  describe,
  type Engine,
  evaluate,
  type Gate,
  gateReport,
} from "../mod.ts";
import { forward } from "../lib/graph.ts";
import { gateTable, importance, level, loadBalance, mermaid, mix, type Model, reference } from "../mod.ts";
import { print } from "../lib/graph.ts";
import { issuesOf, regression, type Rows, rows, softmax, type Spec, topK, train, wasm } from "../mod.ts";
import { initialise } from "../lib/graph.ts";
import { pcgrad, uncertainty } from "../mod.ts";
import { trainingStep } from "../lib/graph.ts";
import { sgd } from "../mod.ts";
import { plan } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { limitOf } from "../lib/trace/capacity.ts";
import { fillNormal, random } from "../lib/data/random.ts";
import { drawn, seen, slopeError } from "./gated.ts";

/** A capacity as a fraction, so that an even share is found in whole numbers. */
type Fraction = readonly [number, number];

/** Banks by name: how many experts, and their capacity. */
type Banks = Readonly<Record<string, readonly [experts: number, capacity?: Fraction]>>;

/** Gates by stream: the banks that they mix, and what weighs their experts. */
type Gates = Readonly<Record<string, readonly [mix: string | readonly string[], gate: Gate]>>;

function model(banks: Banks, gates: Gates, losses: Bank["losses"] = {}, limited = true): Spec {
  const experts = Object.entries(banks).map(([name, [count, capacity]]) => {
    const options: BankOptions = limited && capacity !== undefined ? { capacity: capacity[0] / capacity[1], losses } : {
      losses,
    };
    return [name, bank(count, dense(2), options)];
  });
  return define({
    input: 3,
    levels: [level(
      Object.fromEntries(experts),
      Object.fromEntries(Object.entries(gates).map(([stream, [banks, gate]]) => [stream, mix(banks, gate)])),
    )],
    tasks: Object.fromEntries(Object.keys(gates).map((task) => [task, regression()])),
  });
}

const models: Readonly<Record<string, readonly [Banks, Gates]>> = {
  "1 of 3": [{ shared: [3, [1, 1]] }, { y: ["shared", topK(1)] }],
  "2 of 5": [{ shared: [5, [1, 1]] }, { y: ["shared", topK(2)] }],
  "2 of 5, a quarter more": [{ shared: [5, [5, 4]] }, { y: ["shared", topK(2, { normalise: false })] }],
  "3 of 4, a tenth more": [{ shared: [4, [11, 10]] }, { y: ["shared", topK(3)] }],
  "noise": [{ shared: [4, [1, 1]] }, { y: ["shared", topK(2, { noise: true })] }],
  "two gates": [{ shared: [4, [1, 1]] }, { y: ["shared", topK(2)], z: ["shared", topK(1)] }],
  "three gates": [{ shared: [6, [1, 1]] }, {
    y: ["shared", topK(2)],
    z: ["shared", topK(2)],
    w: ["shared", topK(3)],
  }],
  "a gate that uses all": [{ shared: [4, [1, 1]] }, { y: ["shared", topK(1)], z: ["shared", softmax] }],
  "two banks": [{ a: [3, [1, 1]], b: [2, [3, 2]] }, { y: [["b", "a"], topK(2)], z: ["a", topK(1)] }],
  "a bank without": [{ a: [3, [1, 1]], b: [2] }, { y: [["b", "a"], topK(2)], z: ["b", topK(1)] }],
};

/** The uses that find room, `[gate][row][expert]`, by plain loops over rows, gates and experts. */
function roomOf(
  [banks, gates]: readonly [Banks, Gates],
  weights: Readonly<Record<string, number[][]>>,
): Record<string, boolean[][]> {
  const room: Record<string, boolean[][]> = {};
  const mixes = Object.entries(gates).map(([stream, [mixed]]) => [stream, [mixed].flat()] as const);
  for (const [stream] of mixes) room[stream] = weights[stream].map((row) => row.map(() => true));
  for (const [bank, [count, capacity]] of Object.entries(banks)) {
    if (capacity === undefined) continue;
    const uses: { row: number; expert: number; stream: string; at: number }[] = [];
    for (const [stream, mixed] of mixes) {
      let at = 0;
      for (const other of mixed) {
        for (let expert = 0; expert < banks[other][0]; expert++, at++) {
          if (other !== bank) continue;
          weights[stream].forEach((row, r) => row[at] !== 0 && uses.push({ row: r, expert, stream, at }));
        }
      }
    }
    const [numerator, denominator] = capacity;
    const most = Math.floor((numerator * uses.length + denominator * count - 1) / (denominator * count));
    for (const use of uses) {
      const before = uses.filter(({ row, expert }) => expert === use.expert && row < use.row).length;
      room[use.stream][use.row][use.at] = before < most;
    }
  }
  return room;
}

const data = sample(40);

Deno.test("capacity drops the rows that come too late, as written from its definition", async () => {
  for (const [name, shape] of Object.entries(models)) {
    const [banks, gates] = shape;
    const [limited, free] = [model(banks, gates), model(banks, gates, {}, false)];
    for (const count of [1, 2, 7, 40]) {
      const [parameters, some] = [drawn(limited, `${name} crowded`), sample(count)];
      const all = await seen(free, some, parameters);
      const found = await seen(limited, some, parameters, { noise: all.noise });
      const weights = Object.fromEntries(Object.keys(gates).map((stream) => [stream, all.gates[`0/${stream}`]]));
      const room = roomOf(shape, weights);
      for (const [stream, rows] of Object.entries(weights)) {
        assertEquals(
          found.gates[`0/${stream}`],
          rows.map((row, r) => row.map((weight, at) => room[stream][r][at] ? weight : 0)),
          `${name}, ${count} rows, ${stream}`,
        );
        const used = rows.flatMap((row, r) => row.flatMap((weight, at) => weight === 0 ? [] : [room[stream][r][at]]));
        const limits = [gates[stream][0]].flat().some((bank) => banks[bank][1] !== undefined);
        const share = found.dropped[`0/${stream}`];
        assertEquals(share !== undefined, limits, name);
        if (limits) assertAlmostEquals(share, used.filter((is) => !is).length / used.length, 1e-12);
        assert(count > 1 || !limits || share === 0, name); // a row alone finds room
      }
      if (count === 40) assert(Object.values(found.dropped).some((share) => share > 0), name);
    }
  }
});

Deno.test("limitOf() separates capacities alike in float32 and float64, as whole numbers do", () => {
  const fractions: Fraction[] = [[1, 1], [11, 10], [6, 5], [5, 4], [13, 10], [4, 3], [3, 2], [17, 10], [11, 5], [3, 1]];
  for (const [numerator, denominator] of fractions) {
    const limit = limitOf(numerator / denominator);
    for (const experts of [2, 3, 4, 7, 8, 10, 64]) {
      for (const uses of [1, 2, 7, 10, 30, 64, 70, 100, 128, 255, 256, 512, 1000, 2048, 4096, 20_000]) {
        const most = Math.floor((numerator * uses + denominator * experts - 1) / (denominator * experts));
        for (const taken of [0, most - 1, most, most + 1]) {
          const text = `${numerator} / ${denominator} of ${uses} among ${experts}, ${taken} taken`;
          assertEquals(limit * uses > taken * experts, taken < most, text);
          assertEquals(Math.fround(Math.fround(limit) * uses) > Math.fround(taken * experts), taken < most, text);
        }
      }
    }
  }
});

Deno.test("capacity has no effect where it is not reached, and where all experts are used", async () => {
  const unlimited: Gates = { y: ["shared", topK(2)], z: ["shared", topK(1)] };
  const even: Gates = { y: ["shared", softmax], z: ["shared", softmax] };
  for (const [gates, capacity] of [[unlimited, 4], [even, 1]] as const) {
    const [limited, free] = [true, false].map((is) => model({ shared: [4, [capacity, 1]] }, gates, {}, is));
    const [found, wanted] = [await learnt(limited, reference()), await learnt(free, reference())];
    assertEquals([found.losses, found.after], [wanted.losses, wanted.after]);
    const [one, other] = [await seen(limited, data, drawn(free, "all")), await seen(free, data, drawn(free, "all"))];
    assertEquals(one.gates, other.gates);
    assertEquals(one.dropped, { "0/y": 0, "0/z": 0 });
  }
});

Deno.test("capacity drops nothing of even routing, and all but an even share where a gate has collapsed", async () => {
  const logits: Gate = (x) => x;
  for (const experts of [2, 4, 5]) {
    const hot = (expert: number) => Array.from({ length: experts }, (_, at) => Number(at === expert));
    for (const [capacity, count] of [[1, 20], [1.25, 20], [1.5, 21], [2, 40], [1, 1], [1.1, 7]] as const) {
      const spec = define({
        input: experts,
        levels: [level({ shared: bank(experts, dense(2), { capacity }) }, { y: mix("shared", logits) })],
        tasks: { y: regression() },
      });
      const share = async (expert: (row: number) => number) => {
        const all = rows(Array.from({ length: count }, (_, row) => hot(expert(row))));
        return (await seen(spec, all, drawn(spec, "hot"))).dropped["0/y"];
      };
      assertEquals(await share((row) => row % experts), 0);
      const most = Math.min(count, Math.ceil(Number((capacity * count / experts).toFixed(9))));
      assertAlmostEquals(await share(() => experts - 1), 1 - most / count, 1e-12);
    }
  }
});

Deno.test("gates whose rows are dropped have the gradient of their formula", async () => {
  for (const [name, [banks, gates]] of Object.entries(models)) {
    const spec = model(banks, gates, { importance: importance(0.3) });
    const parameters = drawn(spec, `slope ${name}`);
    const { dropped } = await seen(spec, data, parameters);
    assert(Object.values(dropped).some((share) => share > 0), name);
    assert(await slopeError(spec, data, parameters) < 1e-7, name);
  }
});

Deno.test("losses of banks and biases of gates see what was chosen, not what was dropped", async () => {
  const gates: Gates = { y: ["shared", topK(1, { balance: 0.1 })], z: ["shared", topK(2)] };
  const losses = { balance: loadBalance(), importance: importance() };
  const [limited, free] = [true, false].map((is) => model({ shared: [4, [1, 1]] }, gates, losses, is));
  const parameters = drawn(limited, "losses");
  const [found, wanted] = [await seen(limited, data, parameters), await seen(free, data, parameters)];
  assertEquals(found.auxiliary, wanted.auxiliary);
  assert(found.dropped["0/y"] > 0);
  const path = "levels/0/gates/y/1/bias";
  const moved = await Promise.all(
    [limited, free].map(async (spec) => (await learnt(spec, reference(), 1)).after[path]),
  );
  assertEquals(moved[0], moved[1]);
  assert(moved[0].some((number) => number !== 0));
});

Deno.test("the order of tasks, and of experts with their columns, changes nothing of what is dropped", async () => {
  const gates: Gates = { y: ["shared", topK(2)], z: ["shared", topK(1)], w: ["shared", topK(3)] };
  const [spec, turned] = [gates, Object.fromEntries(Object.entries(gates).reverse())].map((gates) =>
    model({ shared: [4, [1, 1]] }, gates)
  );
  const parameters = drawn(spec, "order");
  const found = await seen(spec, data, parameters);
  const other = await seen(turned, data, parameters);
  for (const stream of Object.keys(gates)) assertEquals(other.gates[`0/${stream}`], found.gates[`0/${stream}`]);
  const order = [2, 0, 3, 1];
  const permuted = Object.entries(parameters).map(([path, { shape, data }]) => {
    if (!path.includes("/gates/")) return [path, { shape, data }];
    return [path, { shape, data: data.map((_, i) => data[i - i % 4 + order[i % 4]]) }];
  });
  const { gates: mixed, dropped } = await seen(spec, data, Object.fromEntries(permuted));
  for (const [gate, share] of Object.entries(found.dropped)) {
    assertEquals(dropped[gate], share);
    mixed[gate].forEach((row, r) =>
      row.forEach((weight, at) => assertAlmostEquals(weight, found.gates[gate][r][order[at]], 1e-12))
    );
  }
});

Deno.test("predictions and evaluations drop nothing, and are what is served", async () => {
  const gates: Gates = { y: ["shared", topK(2)], z: ["shared", topK(1)] };
  const [limited, free] = [true, false].map((is) => model({ shared: [4, [1, 1]] }, gates, { even: importance() }, is));
  for (const all of [true, false]) assertEquals(print(forward(plan(limited), all)), print(forward(plan(free), all)));
  const [one, other] = await Promise.all(
    [limited, free].map((spec) => compile(spec, { engine: reference(), seed: 3 })),
  );
  const some = labelled(limited, data);
  assertEquals(await evaluate(one, some), await evaluate(other, some));
  const alone = await one.predict(rows([[...data.inputs.input.subarray(0, 3)]]));
  assertEquals((await one.predict(data)).y[0], alone.y[0]);
  one.dispose();
  other.dispose();
});

Deno.test("training with capacity is the same on every engine, and reports what it drops", async () => {
  const engines: Readonly<Record<string, Engine>> = { cpu: await cpu(), wasm: await wasm(), onnx: await onnx() };
  for (const name of ["2 of 5, a quarter more", "three gates", "two banks"]) {
    const spec = model(...models[name]);
    const wanted = await learnt(spec, reference());
    assert(wanted.dropped.some((shares) => Object.values(shares).some((share) => share > 0)), name);
    for (const [engine, start] of Object.entries(engines)) {
      const found = await learnt(spec, start);
      for (const [path, numbers] of Object.entries(wanted.after)) {
        numbers.forEach((number, at) => assertAlmostEquals(found.after[path][at], number, 1e-4, `${engine}, ${path}`));
      }
      found.dropped.forEach((shares, step) => {
        Object.entries(shares).forEach(([gate, share]) =>
          assertAlmostEquals(share, wanted.dropped[step][gate], 1e-6, `${engine}, ${name}, ${gate}`)
        );
      });
    }
  }
});

Deno.test("Progress.dropped is what the step dropped, under every weighting, and empty without capacity", async () => {
  const shape = models["two gates"];
  const spec = model(...shape);
  const parameters = initialise(spec, 4);
  const { dropped } = await seen(spec, data, parameters);
  for (const weighting of [undefined, uncertainty(), pcgrad()]) {
    const learner = await compile(spec, { engine: reference(), parameters });
    for await (const at of train(learner, labelled(spec, data), { steps: 1, batch: 40, shuffle: false, weighting })) {
      assertEquals(Object.keys(at.dropped), ["0/y", "0/z"]);
      Object.entries(at.dropped).forEach(([gate, share]) => assertAlmostEquals(share, dropped[gate], 1e-6));
    }
    learner.dispose();
  }
  const { dropped: none } = await learnt(model(...shape, {}, false), reference(), 1);
  assertEquals(none, [{}]);
  const { outputs } = trainingStep(plan(spec), sgd(0.1));
  assertEquals(Object.keys(outputs), ["loss/y", "loss/z", "dropped/0/y", "dropped/0/z", "loss", "norm", "moved"]);
});

Deno.test("gateReport() reports what training would drop in batches, by gate and by expert", async () => {
  for (const [name, shape] of Object.entries(models)) {
    const [banks, gates] = shape;
    const spec = model(banks, gates);
    const learner = await compile(spec, { engine: reference(), seed: 6 });
    const many = sample(1100);
    const inspected = (await learner.inspect(many)).gates;
    for (const batch of [1, 30, 300]) { // 300 are run in pieces of 900
      const sent: Record<string, number[]> = {};
      const lost: Record<string, number[]> = {};
      for (let start = 0; start < 1100; start += batch) {
        const count = Math.min(batch, 1100 - start);
        const weights = Object.fromEntries(
          Object.keys(gates).map((stream) => {
            const width = inspected[`0/${stream}`].length / 1100;
            const row = (at: number) => [...inspected[`0/${stream}`].subarray(at * width, (at + 1) * width)];
            return [stream, Array.from({ length: count }, (_, at) => row(start + at))];
          }),
        );
        const room = roomOf(shape, weights);
        for (const [stream, rows] of Object.entries(weights)) {
          sent[stream] ??= Array(rows[0].length).fill(0);
          lost[stream] ??= Array(rows[0].length).fill(0);
          rows.forEach((row, r) =>
            row.forEach((weight, at) => {
              sent[stream][at] += Number(weight !== 0);
              lost[stream][at] += Number(weight !== 0 && !room[stream][r][at]);
            })
          );
        }
      }
      const report = await gateReport(learner, many, { batch });
      assertEquals(JSON.parse(JSON.stringify(report)), report);
      for (const { capacity, stream } of report.gates) {
        const limits = [gates[stream][0]].flat().some((bank) => banks[bank][1] !== undefined);
        assertEquals(capacity?.batch, limits ? batch : undefined, name);
        if (capacity === undefined) continue;
        const total = (list: readonly number[]) => list.reduce((a, b) => a + b);
        assertAlmostEquals(capacity.dropped, total(lost[stream]) / total(sent[stream]), 1e-12);
        capacity.experts.forEach((share, at) =>
          assertAlmostEquals(share, lost[stream][at] / (sent[stream][at] || 1), 1e-12)
        );
      }
    }
    if (name !== "noise") {
      const { dropped } = await seen(spec, many, await learner.parameters());
      const report = await gateReport(learner, many, { batch: 1100 });
      report.gates.forEach(({ gate, capacity }) =>
        assertAlmostEquals(capacity?.dropped ?? 0, dropped[gate] ?? 0, 1e-12)
      );
    }
    learner.dispose();
  }
});

Deno.test("gateReport() warns of gates that drop more than a tenth, and gateTable() shows what is dropped", async () => {
  const learner = await collapsed(1.25);
  const { gates: [gate], warnings } = await gateReport(learner, data, { batch: 20 });
  assertEquals(gate.capacity, { batch: 20, dropped: 0.65, experts: [0.65, 0, 0, 0] }); // 7 of 20 have room
  assertEquals(gate.dropped, 0); // predictions drop nothing
  assertEquals(warnings.filter(({ kind }) => kind === "dropped"), [{
    kind: "dropped",
    gate: "0/y",
    level: 0,
    experts: ["shared/0"],
    message:
      "gate 0/y sends experts more than they take: training drops 0.650 of it in batches of 20 rows, at expert " +
      "shared/0 of level 0",
  }]);
  const text = gateTable(await gateReport(learner, data, { batch: 20 }));
  assertMatch(text, /\n {6}dropped +0\.65 +0\.65 +0 +0 +0\n/);
  const report = await gateReport(learner, data);
  assertEquals(report.gates[0].capacity?.batch, 256);
  assertAlmostEquals(report.gates[0].capacity!.dropped, 1 - 13 / 40, 1e-12);
  for (const batch of [0, 1.5, "20"]) {
    await assertRejects(
      () => gateReport(learner, data, { batch: batch as number }),
      RangeError,
      "Cannot report gates: batch must be a whole number of at least 1, found",
    );
  }
  learner.dispose();
  const enough = await collapsed(4);
  const quiet = await gateReport(enough, data);
  assertEquals([quiet.gates[0].capacity?.dropped, quiet.warnings.some(({ kind }) => kind === "dropped")], [0, false]);
  enough.dispose();
});

Deno.test("capacity is a column of the table: stored, described, and refused below 1", () => {
  const spec = model({ shared: [4, [5, 4]], own: [2] }, { y: [["shared", "own"], topK(2)] });
  assertEquals([spec.levels[0].experts.shared.capacity, "capacity" in spec.levels[0].experts.own], [1.25, false]);
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assertStringIncludes(describe(spec), "4 x dense(2), capacity 1.25 ");
  assertStringIncludes(mermaid(spec), '["shared: 4 x dense(2), capacity 1.25"]');
  for (const capacity of [0.99, 0, -1, 1e39]) {
    const [{ experts: { shared, own }, gates }] = spec.levels;
    const levels = [{ experts: { shared: { ...shared, capacity }, own }, gates }];
    const wanted = "wanted a number of at least 1, or none to drop no row";
    assertEquals(issuesOf({ ...spec, levels }).issues, [{
      path: "levels[0].experts.shared.capacity",
      message: `the capacity is a multiple of an even share, found ${capacity}: ${wanted}`,
    }]);
  }
});

/** A model whose one gate sends all rows to the first of four experts. */
async function collapsed(capacity: number): Promise<Model> {
  const spec = define({
    input: 3,
    levels: [level({ shared: bank(4, dense(2), { capacity }) }, { y: mix("shared", topK(1)) })],
    tasks: { y: regression() },
  });
  const learner = await compile(spec, { engine: reference() });
  const parameters = await learner.parameters();
  parameters["levels/0/gates/y/0/kernel"].data.fill(0);
  learner.assign(parameters);
  return learner;
}

function sample(count: number): Rows {
  const input = fillNormal(new Float32Array(3 * count), random("capacity"));
  const column = (at: number) => Float32Array.from({ length: count }, (_, row) => input[3 * row + at]);
  return { count, inputs: { input }, labels: { y: column(0), z: column(1), w: column(2) } } as Rows;
}

/** Rows with the labels of a model's tasks alone. */
function labelled({ tasks }: Spec, rows: Rows): Rows {
  return { ...rows, labels: Object.fromEntries(Object.keys(tasks).map((task) => [task, rows.labels![task]])) };
}

async function learnt(spec: Spec, engine: Engine, steps = 6) {
  const learner = await compile(spec, { engine, seed: 2 });
  const dropped: Readonly<Record<string, number>>[] = [];
  const losses: number[] = [];
  for await (const at of train(learner, labelled(spec, data), { steps, batch: 16, optimiser: adam(0.01) })) {
    dropped.push(at.dropped);
    losses.push(at.total);
  }
  const after = Object.entries(await learner.parameters()).map(([path, { data }]) => [path, [...data]] as const);
  learner.dispose();
  return { losses, dropped, after: Object.fromEntries(after) };
}
